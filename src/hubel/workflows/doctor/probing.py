"""The probe of a run's training: the same few pictures, sent through a twin of its network.

The twin shares the weights and has buffers of its own; the training's network is never called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hubel.data.batching import BatchLoader
from hubel.data.dataset import Dataset
from hubel.diagnosis.evidence.record import EvaluationRow, UnitRow
from hubel.diagnosis.watching.copies import Twin
from hubel.diagnosis.watching.undisturbed import undisturbed
from hubel.diagnosis.watching.units import unit_row, with_outputs
from hubel.results import Task
from hubel.training.loop import Trainer
from hubel.training.outputs import autocast, hits, logits_of, losses_of, share_of_right
from hubel.workflows.doctor.sampling import PROBED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """A few pictures as the network gets them, without augmentation."""

    inputs: Tensor
    targets: Tensor


class Prober:
    """Measures a training on the probe, whenever it is asked to."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.pictures = first_pictures(trainer.loader, trainer.device)
        self._twin = Twin(trainer.module)

    def measure(self, step: int, pass_number: int) -> tuple[list[UnitRow], list[EvaluationRow]]:
        """Return a row a leaf module in evaluation mode, and the loss in both modes.

        Errors: RuntimeError where the network cannot be copied.
        """
        twin = self._twin.current()
        if twin is None:
            raise RuntimeError("the network cannot be copied")
        rows: list[UnitRow] = []

        def look(path: str, module: nn.Module, output: Tensor) -> None:
            rows.append(unit_row(step, path, module, output))

        evaluations: list[EvaluationRow] = []
        with undisturbed(self.trainer.module), torch.no_grad():
            for mode in ("eval", "train"):
                twin.train(mode == "train")
                outputs = self._outputs(twin, look if mode == "eval" else _ignore)
                evaluations.append(self._evaluated(step, pass_number, mode, outputs))
        return rows, evaluations

    def first_not_finite(self, inputs: Tensor) -> tuple[str, str]:
        """Return the first module whose output is not finite for `inputs`, and why as far as known.

        The path is empty where every module's output is finite.
        """
        twin = self._twin.current()
        if twin is None:
            return "", "the network cannot be copied"
        if not bool(inputs.isfinite().all()):
            return "", "the pictures themselves"
        found: list[str] = []

        def look(path: str, module: nn.Module, output: Tensor) -> None:
            del module
            if not found and not bool(output.isfinite().all()):
                found.append(path)

        with undisturbed(self.trainer.module), torch.no_grad():
            self._outputs(twin.train(), look, inputs)
        broken = [name for name, one in twin.named_parameters() if not bool(one.isfinite().all())]
        if not found:
            return "", "the loss itself: the outputs of all modules are finite"
        return found[0], f"weights not finite: {', '.join(broken[:3])}" if broken else "its output"

    def _outputs(self, twin: nn.Module, look: Any, inputs: Tensor | None = None) -> Any:
        settings = self.trainer.settings
        shown = self.pictures.inputs if inputs is None else inputs
        with autocast(shown.device.type, settings.precision):
            return with_outputs(twin, shown, look)

    def _evaluated(
        self, step: int, pass_number: int, mode: Literal["train", "eval"], outputs: Any
    ) -> EvaluationRow:
        task: Task = self.trainer.settings.task
        targets = self.pictures.targets
        losses = losses_of(self.trainer.stepper.loss, outputs, targets)
        right = hits(logits_of(outputs), targets, task)
        return EvaluationRow(
            step=step,
            pass_number=pass_number,
            split="train",
            mode=mode,
            loss=float(losses.float().mean()),
            accuracy=share_of_right(task, right, len(targets)),
            pictures=len(targets),
        )


def _ignore(path: str, module: nn.Module, output: Tensor) -> None:
    """Take no notice of a module's output."""


def first_pictures(loader: BatchLoader, device: torch.device) -> Pictures:
    """Return the first pictures of a loader's first pass; the same ones at each call."""
    places = loader.order(0)[:PROBED]
    found = _read(loader, loader.positions[places], loader.targets.numpy()[places])
    return Pictures(inputs=found.inputs.to(device), targets=found.targets.to(device))


def some_pictures(loader: BatchLoader, dataset: Dataset, positions: NDArray[np.int64]) -> Pictures:
    """Return a few pictures at `positions`, evenly spread over them."""
    few = spread(positions, PROBED)
    return _read(loader, few, dataset.labels_of(few))


def pictures_at(loader: BatchLoader, positions: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return the pictures at so many positions, PROBED at most, as a batch."""
    few = np.asarray(positions[:PROBED], np.int64)
    return _read(loader, few, np.zeros(len(few), np.int64)).inputs.to(device)


def spread(positions: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Return at most `number` of the positions, evenly spread over them."""
    places = np.linspace(0, len(positions) - 1, min(number, len(positions)))
    return positions[places.round().astype(np.int64)]


def _read(loader: BatchLoader, positions: NDArray[np.int64], targets: NDArray[Any]) -> Pictures:
    """Return pictures of a loader's source through its preprocessing, without augmentation."""
    few = BatchLoader(
        loader.source,
        positions,
        loader.preprocessing,
        targets,
        batch=len(positions),
        seed=loader.seed,
        shuffle=False,
        threads=loader.threads,
        cache=loader.cache,
    )
    batches = few.epoch(0)
    batch = next(batches)
    batches.close()
    return Pictures(inputs=batch.inputs, targets=batch.targets)
