"""What a training keeps in its run folder: all state in one file, and the best weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hubel.results import Run
from hubel.training.averaging import WeightAverage
from hubel.training.checkpoint import BEST, LAST, PREVIOUS, Checkpoint, save
from hubel.training.hardware.devices import random_state, set_random_state
from hubel.training.inference import device_of
from hubel.training.progress import Progress
from hubel.training.updating import Updater


class Keeping:
    """Gathers the state of a training into a checkpoint, and hands it out again."""

    def __init__(
        self,
        run: Run,
        module: nn.Module,
        average: WeightAverage | None,
        updater: Updater,
        constants: Mapping[str, Tensor],
    ) -> None:
        self.run = run
        self.module = module
        self.average = average
        self.updater = updater
        self.constants = {f"preprocessing.{name}": tensor for name, tensor in constants.items()}
        """Tensors that training does not change (whitening matrices), kept in each checkpoint."""

    def save(self, progress: Progress) -> Path:
        """Write all state; the checkpoint before it stays as `previous`. Return its file."""
        path = self.run.checkpoints / LAST
        save(path, self._state(progress), keep=self.run.checkpoints / PREVIOUS)
        return path

    def save_best(self, module: nn.Module, epoch: int) -> None:
        """Write the weights of the best pass so far."""
        tensors = {f"model.{name}": tensor for name, tensor in module.state_dict().items()}
        save(self.run.checkpoints / BEST, Checkpoint(tensors | self.constants, {"epoch": epoch}))

    def restore(self, checkpoint: Checkpoint) -> Progress:
        """Go back to the state of a checkpoint, random state included; return how far it was."""
        self.module.load_state_dict(checkpoint.part("model"))
        if self.average:
            self.average.load(checkpoint.part("ema"))
        self.updater.restore(checkpoint.part("optimizer"), checkpoint.values["updater"])
        set_random_state(device_of(self.module), checkpoint.part("rng"))
        return Progress.from_values(checkpoint.values)

    def _state(self, progress: Progress) -> Checkpoint:
        tensors = {f"model.{name}": tensor for name, tensor in self.module.state_dict().items()}
        if self.average:
            averaged = self.average.module.state_dict()
            tensors |= {f"ema.{name}": tensor for name, tensor in averaged.items()}
        updater_tensors, updater_values = self.updater.state()
        tensors |= {f"optimizer.{name}": tensor for name, tensor in updater_tensors.items()}
        states = random_state(device_of(self.module))
        tensors |= {f"rng.{name}": state for name, state in states.items()}
        values: dict[str, Any] = {**progress.values(), "updater": updater_values}
        return Checkpoint(tensors | self.constants, values)
