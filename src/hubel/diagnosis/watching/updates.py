"""The updates of the weights: one row each, and at sampled ones a row for each parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.record import StepRow
from hubel.diagnosis.watching.backward import NEVER, Backward
from hubel.diagnosis.watching.clock import Interval
from hubel.diagnosis.watching.course import Course
from hubel.diagnosis.watching.forward import Answers, Forward
from hubel.diagnosis.watching.loader import Loaders
from hubel.diagnosis.watching.weights import Change

_PENDING: Final = 16
"""Updates whose losses wait on the device, to be fetched all at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pending:
    row: Callable[[float, float], StepRow]
    losses: list[Tensor | float]
    answers: Answers


@final
class Updates:
    """Watches one optimizer."""

    def __init__(
        self, course: Course, loaders: Loaders, forward: Forward, backward: Backward
    ) -> None:
        self._course = course
        self._loaders = loaders
        self._forward = forward
        self._backward = backward
        self._due = Interval(course.clock)
        self._parameters = dict(course.network.named_parameters())
        self._change: Change | None = None
        self._pending: list[_Pending] = []
        self._last = perf_counter()
        self._spent = 0.0
        self._without = 0
        self._early = 0
        self.first: list[Callable[[], None]] = []
        """Called before the first update."""
        self.done: list[Callable[[], None]] = []
        """Called after each update."""
        optimizer = course.optimizer
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def stop(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        """Measure before an update; where the gradients are made inside of it, just after that."""
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            self._measure(optimizer)
            return None

        def measured(*inner: Any, **named: Any) -> Any:
            answer = closure(*inner, **named)
            self._measure(optimizer)
            return answer

        if "closure" in kwargs:
            return args, {**kwargs, "closure": measured}
        return (args[0], measured, *args[2:]), kwargs

    def _measure(self, optimizer: Optimizer) -> None:
        started = perf_counter()
        course = self._course
        if course.updates == 0:
            for call in self.first:
                call()
        if self._change is None and self._due.due(course.updates + 1):
            scale = getattr(optimizer, "grad_scale", None)
            number = 1.0 if scale is None else float(scale)
            self._change = Change(self._parameters, number, initial=course.updates == 0)
        course.clock.spent += perf_counter() - started

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        started = perf_counter()
        course = self._course
        self._order()
        course.updates += 1
        self._keep(optimizer, started)
        if self._change is not None:
            rows = self._change.rows(course.updates)
            course.record.weights += rows
            self._change = None
            self._without += bool(rows) and all(row.gradient == 0 for row in rows)
            broken = tuple(row.name for row in rows if not row.finite)
            if broken:
                course.once(events.NON_FINITE_GRADIENT, where=broken)
        self._backward.updated()
        course.backwards = 0
        if len(self._pending) >= _PENDING:
            self.flush()
        for call in self.done:
            call()
        self._last = perf_counter()
        course.clock.spent += self._last - started
        self._spent = course.clock.spent

    def _order(self) -> None:
        """Count updates that come before the backward of their call, or without any gradient."""
        course = self._course
        if course.unanswered:
            self._early += 1
        first = next((one for one in self._parameters.values() if one.requires_grad), None)
        if first is not None and first.grad is None:
            empty = all(one.grad is None for one in self._parameters.values())
            self._without += empty

    def _keep(self, optimizer: Optimizer, now: float) -> None:
        course, answers = self._course, self._forward.answers
        self._forward.answers = Answers()
        step, passes, backwards = course.updates, max(course.passes, 1), course.backwards
        rates = [float(group["lr"]) for group in optimizer.param_groups if "lr" in group]
        waited, self._loaders.waited = self._loaders.waited, 0.0
        took = max(now - self._last - (course.clock.spent - self._spent), 0.0)
        left = self._backward.left_over
        self._backward.left_over = False

        def row(loss: float, accuracy: float) -> StepRow:
            return StepRow(
                step=step,
                pass_number=passes,
                loss=loss,
                lr=max(rates, default=torch.nan),
                pictures=answers.pictures,
                accuracy=accuracy,
                waited_s=waited,
                took_s=took,
                backwards=backwards,
                left_over=left,
                training=answers.training,
            )

        self._pending.append(_Pending(row=row, losses=self._backward.losses, answers=answers))

    def flush(self) -> None:
        """Fetch what waits on the device, and record its rows."""
        course = self._course
        for pending in self._pending:
            found = [float(one) for one in pending.losses]
            loss = sum(found) / len(found) if found else torch.nan
            if found and loss - loss != 0:
                self._backward.not_finite()
            shares = pending.answers.right()
            accuracy = torch.nan if shares is None else float(shares.mean())
            course.record.add_step(pending.row(loss, accuracy))
        self._pending.clear()

    def counted(self) -> None:
        """Record updates that never came, or came out of order, if most of them did."""
        course = self._course
        updates = course.updates
        if not updates and course.all_backwards >= NEVER:
            detail = f"{course.all_backwards} backward passes"
            course.once(events.BACKWARD_WITHOUT_STEP, detail=detail)
        unused, answered = self._backward.unused, self._backward.answered
        if updates and unused * 2 > answered:
            detail = f"{unused} of {answered} batches"
            course.once(events.CLEARED_WITHOUT_STEP, detail=detail)
        if self._early * 2 > updates:
            detail = f"{self._early} of {updates} updates"
            course.once(events.STEP_BEFORE_BACKWARD, detail=detail)
        if self._without * 2 > updates:
            detail = f"{self._without} of {updates} updates"
            course.once(events.STEP_WITHOUT_GRADIENT, detail=detail)
