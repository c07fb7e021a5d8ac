"""The doctor as a callback of Hugging Face's Trainer: `Trainer(callbacks=[DoctorCallback()])`."""

from __future__ import annotations

from typing import Any, final

from hubel.diagnosis.trials.bench import TRIAL_S
from hubel.diagnosis.watching.doctor import Doctor, Say
from hubel.diagnosis.watching.optional import optional
from hubel.errors import UsageError
from hubel.results import Diagnosis

_Callback: Any = optional("transformers", "DoctorCallback of Hugging Face").TrainerCallback


@final
class DoctorCallback(_Callback):
    """Watches a training by Hugging Face's Trainer; `diagnosis()` tells what was found.

    The Trainer makes a new loader for each evaluation and tells callbacks of it only then:
    loaders that are iterated over while the network is in evaluation mode count as validation.
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

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Begin to watch."""
        del state, control
        self.doctor = Doctor(
            parts["model"],
            parts["optimizer"],
            parts["train_dataloader"],
            scheduler=parts.get("lr_scheduler"),
            epochs=max(int(args.num_train_epochs), 1) if args.max_steps <= 0 else None,
            probe_every=self._probe_every,
            trials=self._trials,
            trial_s=self._trial_s,
            say=self._say,
        )
        self.doctor.__enter__()
        self.doctor.validate_with_any()

    def on_train_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """End to watch."""
        del args, state, control, parts
        self.end()

    def end(self) -> None:
        """Stop to watch; of use after an error, of which the Trainer tells no callback."""
        if self.doctor is not None:
            self.doctor.__exit__(None, None, None)

    def diagnosis(self) -> Diagnosis:
        """Return what is wrong with the training. Errors: UsageError before there was one."""
        if self.doctor is None:
            raise UsageError("There is nothing to diagnose yet: call trainer.train first.")
        return self.doctor.diagnosis()
