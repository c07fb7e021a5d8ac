"""The doctor of a plain loop: it watches while the loop runs, and then says what it found."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.reading import read_setting
from hubel.diagnosis.evidence.record import EvaluationRow, Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.examination import examine
from hubel.diagnosis.trials.bench import TRIAL_S
from hubel.diagnosis.watching.backward import Backward
from hubel.diagnosis.watching.batches import logits_of, right
from hubel.diagnosis.watching.clock import Clock
from hubel.diagnosis.watching.completing import completed, fresh_state
from hubel.diagnosis.watching.course import Course, Split, bare
from hubel.diagnosis.watching.forward import Forward
from hubel.diagnosis.watching.loader import Loaders
from hubel.diagnosis.watching.patches import Ear
from hubel.diagnosis.watching.probe import Probe
from hubel.diagnosis.watching.samples import can_be_read
from hubel.diagnosis.watching.saying import Voice
from hubel.diagnosis.watching.schedule import Schedule, plain
from hubel.diagnosis.watching.seen import Seen
from hubel.diagnosis.watching.subject import LoopSubject
from hubel.diagnosis.watching.undisturbed import undisturbed
from hubel.diagnosis.watching.updates import Updates
from hubel.errors import UsageError
from hubel.results import Diagnosis

Say = Callable[[str], object]
"""Called with one line when something is wrong."""
_VALIDATED: Final = 512
"""Validation pictures that are evaluated where the loop itself never did."""


@final
class Doctor(AbstractContextManager["Doctor"]):
    """Watches one training from `with` to its end. `hubel.watch` makes it."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loader: Any,
        validation: Any = None,
        *,
        scheduler: Any = None,
        epochs: int | None = None,
        classes: int | None = None,
        probe_every: int = 100,
        trials: bool = True,
        trial_s: float = TRIAL_S,
        say: Say | None = None,
    ) -> None:
        optimizer = plain(optimizer)
        _check(model, optimizer, scheduler, say)
        _check_loaders(loader, validation)
        _check_number("probe_every", probe_every, "of updates between two probes")
        _check_number("epochs", epochs, "of passes that are planned")
        _check_number("classes", classes, "of classes")
        _check_seconds(trial_s)
        self._handed: dict[Split, Any] = {"train": loader, "val": validation}
        self._scheduler = scheduler
        self._epochs = epochs
        self._classes = classes
        self._every = probe_every
        self._trials = trials
        self._trial_s = trial_s
        self._fresh: dict[str, Tensor] | None = None
        self._course = Course(
            model=model,
            network=bare(model),
            optimizer=optimizer,
            record=Record(),
            clock=Clock(),
        )
        self._voice = Voice(say)
        self._ear: Ear | None = None
        self._watched = False

    @property
    def record(self) -> Record:
        """What was measured so far."""
        self._collect()
        return self._course.record

    def __enter__(self) -> Self:
        """Begin to watch. Errors: UsageError where this watch has been used before."""
        if self._watched:
            raise UsageError(
                "This watch is over, and one watch sees one training: call hubel.watch again."
            )
        self._watched = True
        course = self._course
        course.clock = clock = Clock()
        self._ear = ear = Ear()
        self._setting = read_setting(course.network, course.optimizer, self._handed["train"])
        self._fresh = fresh_state(course.network)
        self._loaders = Loaders(course, ear)
        for split, loader in self._handed.items():
            self._loaders.add(loader, split)
        self._forward = Forward(course, self._loaders)
        self._backward = Backward(course, self._forward, ear)
        self._updates = Updates(course, self._loaders, self._forward, self._backward)
        self._schedule = Schedule(course, ear, self._scheduler)
        fresh, modes = self._fresh_state, lambda: self._forward.modes
        self._probe = Probe(course, self._every, fresh, modes)
        readable: dict[Split, bool] = {
            split: can_be_read(loader) for split, loader in self._handed.items()
        }
        self._seen = Seen(readable)
        self._subject = LoopSubject(course, self._handed, self._seen, fresh)
        self._forward.taken += [self._probe.take, self._seen.take]
        self._backward.failed += [self._failed]
        self._updates.first += [self._first]
        self._updates.done += [self._probe.updated, self._speak]
        clock.spent = perf_counter() - clock.started
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take away everything that watched, whatever happened; an error goes on its way."""
        if self._ear is None:
            return
        if error is None:
            self._probe.ended()
        elif not isinstance(error, KeyboardInterrupt):
            self._look_at_labels()
        self._collect()
        self._course.record.probe_overhead = self._course.clock.share()
        self._ear.stop()
        self._ear = None
        self._forward.stop()
        self._updates.stop()

    def validate_with(self, loader: Any) -> None:
        """Watch a validation loader that was not known when the watch began."""
        if self._ear is not None and self._handed["val"] is None and loader is not None:
            self._handed["val"] = loader
            self._seen.knows("val", readable=can_be_read(loader))
            self._loaders.add(loader, "val")

    def validate_with_any(self) -> None:
        """Take any loader of torch that is used in evaluation mode for one of validation."""
        if self._ear is not None:
            self._loaders.adopt(self.validate_with)

    def diagnosis(self) -> Diagnosis:
        """Return what is wrong with the training so far, the root cause first.

        It may be asked for while the training runs and afterwards, and more than once; the
        training is not changed by it. Errors: UsageError where the watch has not begun.
        """
        if not self._watched:
            raise UsageError(
                "There is nothing to diagnose before the training: use the watch in a with "
                "statement around the loop."
            )
        with self._aside():
            if self._ear is not None:
                self._probe.ended()
            self._collect()
            self._validate()
            record, subject = self._course.record, self._subject
            case = Case(
                self._whole(),
                record,
                subject,
                with_trials=self._trials,
                trial_s=self._trial_s,
            )
            return examine(case)

    @contextmanager
    def _aside(self) -> Generator[None]:
        """Let the doctor work: that is no training, and leaves no trace in random states."""
        course, started = self._course, perf_counter()
        before, course.paused = course.paused, True
        try:
            with undisturbed(course.network):
                yield
        finally:
            course.paused = before
            course.clock.spent += perf_counter() - started

    def _fresh_state(self) -> Mapping[str, Tensor] | None:
        return self._fresh

    def _first(self) -> None:
        """Look at the training before its first update."""
        course = self._course
        if self._fresh is None:
            self._fresh = fresh_state(course.network)
            self._setting = read_setting(course.network, course.optimizer, self._handed["train"])
        course.record.initial_loss = self._forward.initial_loss()

    def _failed(self) -> None:
        """Look at a batch whose loss is not finite."""
        with self._aside():
            self._probe.search()
            if self._course.batch is not None:
                self._loaders.sample(self._course.batch)

    def _look_at_labels(self) -> None:
        """Say so where an error came with labels that the network has no outputs for."""
        shape = self._forward.outputs
        if self._course.task == "regression" or len(shape) < 2:
            return
        strange = self._loaders.out_of_range(self._course.batch, shape[1])
        if strange:
            found = ", ".join(map(str, strange[:5]))
            detail = f"labels {found} with {shape[1]} outputs"
            self._course.once(events.LABEL_OUT_OF_RANGE, detail=detail)

    def _collect(self) -> None:
        if self._watched:
            self._updates.flush()
            self._updates.counted()
            self._forward.flush()
            if self._ear is not None:
                self._course.record.probe_overhead = self._course.clock.share()

    def _whole(self) -> Setting:
        dataset = getattr(self._handed["train"], "dataset", None)
        return completed(
            self._setting,
            self._course,
            loaders=self._loaders,
            forward=self._forward,
            backward=self._backward,
            schedule=self._schedule,
            probe=self._probe,
            epochs=self._epochs,
            classes=self._classes,
            names=_names(dataset),
        )

    def _validate(self) -> None:
        """Evaluate validation pictures where the loop has not done it, as it should be done."""
        course = self._course
        known = [
            row for row in course.record.evaluations if (row.split, row.mode) == ("val", "eval")
        ]
        if known or self._handed["val"] is None or not course.updates:
            return
        try:
            found = self._subject.evaluate(_VALIDATED)
        except Exception:  # noqa: BLE001 # a network or dataset that fails alone has no such row
            return
        logits = None if found is None else logits_of(found[1])
        if found is None or logits is None:
            return
        targets = found[0].targets
        course.record.evaluations.append(
            EvaluationRow(
                step=course.updates,
                pass_number=max(course.passes, 1),
                split="val",
                mode="eval",
                loss=float(self._subject.losses(logits, targets).mean()),
                accuracy=float(right(logits, targets).mean()),
                pictures=len(targets),
            )
        )

    def _speak(self) -> None:
        """Say one line at the end of a pass or after a probe, if something is wrong."""
        if not self._voice.due(self._course, self._every):
            return
        with self._aside():
            self._updates.flush()
            self._voice.examine(Case(self._whole(), self._course.record))


def _names(dataset: Any) -> tuple[Any, ...]:
    """Return the classes that a dataset, or the dataset that it is a part of, tells."""
    while dataset is not None:
        names = getattr(dataset, "classes", None)
        if isinstance(names, list | tuple) and names:
            return tuple(names)
        dataset = getattr(dataset, "dataset", None)
    return ()


def _check(model: object, optimizer: object, scheduler: object, say: object) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"hubel.watch expected a torch.nn.Module as its model, and got {_kind(model)}: "
            "pass the network that the loop calls."
        )
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(
            f"hubel.watch expected a torch.optim.Optimizer, and got {_kind(optimizer)}: "
            "pass the optimizer that the loop steps."
        )
    if scheduler is not None and not callable(getattr(scheduler, "step", None)):
        raise UsageError(
            f"hubel.watch expected a scheduler of torch.optim.lr_scheduler, and got "
            f"{_kind(scheduler)}: pass the one that the loop steps, or none."
        )
    if say is not None and not callable(say):
        raise UsageError(
            f"say is called with one line when something is wrong, and {_kind(say)} cannot be "
            "called: pass a function such as print, or None for silence."
        )


def _check_loaders(*loaders: object) -> None:
    for loader in loaders:
        iterable = hasattr(loader, "__iter__") or hasattr(loader, "__getitem__")
        if loader is not None and (isinstance(loader, str) or not iterable):
            raise UsageError(
                f"hubel.watch expected a loader that gives out batches, and got {_kind(loader)}: "
                "pass the DataLoader, or list of batches, that the loop iterates over."
            )


def _check_number(name: str, value: object, what: str) -> None:
    if value is None and name != "probe_every":
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{name} is the number {what}, at least 1, and not {value!r}.")


def _check_seconds(trial_s: object) -> None:
    if not isinstance(trial_s, int | float) or not trial_s > 0:
        raise UsageError(f"trial_s is the seconds that a test may take, not {trial_s!r}.")


def _kind(thing: object) -> str:
    return type(thing).__name__
