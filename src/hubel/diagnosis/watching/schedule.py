"""The learning-rate scheduler: which one it is, and when it is stepped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, final

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.setting import SchedulerFact
from hubel.diagnosis.watching.course import Course
from hubel.diagnosis.watching.patches import Ear

_STATE = ("last_epoch", "_step_count", "best", "num_bad_epochs", "cooldown_counter", "T_cur")
"""Numbers of a scheduler that say where it is, not what it is."""


@final
class Schedule:
    """Watches the schedulers of one optimizer."""

    def __init__(self, course: Course, ear: Ear, scheduler: Any = None) -> None:
        self._course = course
        self._scheduler = scheduler
        self._steps = 0
        self._depth = threading.local()
        for kind in {*_kinds(LRScheduler), *_kinds(ReduceLROnPlateau)}:
            if "step" in vars(kind):
                ear.listen(kind, "step", self._step)

    def _step(self, call: Callable[..., Any], scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        inner = getattr(self._depth, "inner", False)
        self._depth.inner = True
        try:
            answer = call(scheduler, *args, **kwargs)
        finally:
            self._depth.inner = inner
        # One that steps others, and the step that a scheduler makes when it is built, count once
        # and not at all.
        if not inner and not getattr(scheduler, "_is_initial", False) and self._mine(scheduler):
            self._stepped(scheduler)
        return answer

    def _mine(self, scheduler: Any) -> bool:
        own = getattr(scheduler, "optimizer", None)
        return self._course.mine() and plain(own) is self._course.optimizer

    def _stepped(self, scheduler: Any) -> None:
        course = self._course
        if self._scheduler is None:
            self._scheduler = scheduler
        self._steps += 1
        if course.updates == 0:
            course.once(events.SCHEDULER_STEP, detail="before the first update")

    def fact(self) -> SchedulerFact | None:
        """Return what is known of the scheduler; None where none was seen."""
        if self._scheduler is None:
            return None
        numbers = {
            name: float(value)
            for name, value in vars(self._scheduler).items()
            if isinstance(value, int | float) and not isinstance(value, bool)
            if name not in _STATE and not name.startswith("_")
        }
        return SchedulerFact(
            kind=type(self._scheduler).__name__,
            numbers=numbers,
            steps_a_pass=self._steps / max(self._course.passes, 1),
        )


def _kinds(kind: type) -> Iterator[type]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def plain(optimizer: Any) -> Any:
    """Return the optimizer of torch inside of a wrapper that has it as `optimizer`."""
    while hasattr(optimizer, "param_groups"):
        inner = getattr(optimizer, "optimizer", None)
        if inner is None or not hasattr(inner, "param_groups"):
            break
        optimizer = inner
    return optimizer
