"""The doctor as a callback of Lightning: `Trainer(callbacks=[DoctorCallback()])`."""

from __future__ import annotations

from typing import Any, final

from torch import nn

from hubel.diagnosis.trials.bench import TRIAL_S
from hubel.diagnosis.watching.doctor import Doctor, Say
from hubel.diagnosis.watching.optional import optional
from hubel.errors import UsageError
from hubel.results import Diagnosis

_Callback: Any = optional("lightning.pytorch", "DoctorCallback of Lightning").Callback


@final
class DoctorCallback(_Callback):
    """Watches a training by Lightning's Trainer; `diagnosis()` tells what was found.

    The network is the module's only child with all of its parameters, or else the module itself:
    that is what `training_step` calls. Of several optimizers and loaders the first is watched.
    """

    def __init__(
        self,
        *,
        probe_every: int = 100,
        trials: bool = True,
        trial_s: float = TRIAL_S,
        say: Say | None = print,
    ) -> None:
        self._probe_every = probe_every
        self._trials = trials
        self._trial_s = trial_s
        self._say: Say | None = say
        self.doctor: Doctor | None = None
        """The doctor of the training that runs, or ran last."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        schedulers = [one.scheduler for one in trainer.lr_scheduler_configs]
        epochs = trainer.max_epochs
        self.doctor = Doctor(
            _network(pl_module),
            trainer.optimizers[0],
            _one(trainer.train_dataloader),
            _one(trainer.val_dataloaders),
            scheduler=schedulers[0] if schedulers else None,
            epochs=epochs if epochs and epochs > 0 else None,
            probe_every=self._probe_every,
            trials=self._trials,
            trial_s=self._trial_s,
            say=self._say,
        )
        self.doctor.__enter__()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Take note of validation loaders, which Lightning may make only now."""
        del pl_module
        if self.doctor is not None:
            self.doctor.validate_with(_one(trainer.val_dataloaders))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End to watch."""
        del trainer, pl_module
        self._end(None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End to watch: the training failed."""
        del trainer, pl_module
        self._end(exception)

    def _end(self, error: BaseException | None) -> None:
        if self.doctor is not None:
            self.doctor.__exit__(None if error is None else type(error), error, None)

    def diagnosis(self) -> Diagnosis:
        """Return what is wrong with the training. Errors: UsageError before there was one."""
        if self.doctor is None:
            raise UsageError("There is nothing to diagnose yet: call trainer.fit first.")
        return self.doctor.diagnosis()


def _network(module: nn.Module) -> nn.Module:
    """Return the only child that has all parameters of a module; without one, the module."""
    every = {id(one) for one in module.parameters()}
    whole = [
        child for child in module.children() if every == {id(one) for one in child.parameters()}
    ]
    return whole[0] if len(whole) == 1 and every else module


def _one(loaders: Any) -> Any:
    """Return the first of several loaders, however they are gathered."""
    if isinstance(loaders, dict):
        loaders = list(loaders.values())
    if isinstance(loaders, list | tuple):
        return loaders[0] if loaders else None
    return loaders
