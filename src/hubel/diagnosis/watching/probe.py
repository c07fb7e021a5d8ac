"""A fixed batch of the first training pictures, on which the network is measured now and then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Final, Literal, final

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.record import EvaluationRow, UnitRow
from hubel.diagnosis.watching.batches import logits_of, right
from hubel.diagnosis.watching.clock import Interval
from hubel.diagnosis.watching.copies import Twin
from hubel.diagnosis.watching.course import Batch, Course
from hubel.diagnosis.watching.losses import losses
from hubel.diagnosis.watching.undisturbed import undisturbed
from hubel.diagnosis.watching.units import unit_row, with_outputs

PICTURES: Final = 64
_PATIENCE: Final = 8
"""Updates after which the batch is taken as it is, though it is smaller."""


@final
class Probe:
    """Measures units and modes on one batch, always the same."""

    def __init__(
        self,
        course: Course,
        every: int,
        fresh: Callable[[], Mapping[str, Tensor] | None],
        modes: Callable[[], Mapping[str, bool]],
    ) -> None:
        self._course = course
        self._fresh = fresh
        self._modes = modes
        self._twin = Twin(course.network)
        self._due = Interval(course.clock, every, early=False)
        self._pictures: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._taken = 0
        self._last: Tensor | None = None
        self._measured = -1
        self.called: set[str] | None = None
        """Leaf modules that a call in training mode uses; None where that is not known."""

    def take(self, pictures: Tensor, batch: Batch | None, training: bool) -> None:
        """Keep copies of the first training pictures, as the network gets them."""
        if not training:
            return
        self._last = pictures.detach()
        if self._complete() or self._measured >= 0:
            return
        kept = min(PICTURES - self._taken, len(pictures))
        labels = None if batch is None else batch.labels
        if self._pictures and pictures.shape[1:] != self._pictures[0].shape[1:]:
            return
        self._pictures.append(pictures.detach()[:kept].clone())
        if labels is not None and len(labels) == len(pictures):
            self._labels.append(labels.detach()[:kept].clone())
        self._taken += kept

    def _complete(self) -> bool:
        return self._taken >= PICTURES

    def updated(self) -> None:
        """Measure if it is time."""
        updates = self._course.updates
        if self._measured < 0:
            if self._complete() or updates >= _PATIENCE:
                self._measure(0, self._fresh())
                self._measure(updates)
        elif self._due.due(updates):
            self._measure(updates)

    def ended(self) -> None:
        """Measure where the training stands, if that is not known yet."""
        if self._measured < 0 and self._taken:
            self._measure(0, self._fresh())
        if self._measured != self._course.updates and self._taken:
            self._measure(self._course.updates)

    def _measure(self, step: int, state: Mapping[str, Tensor] | None = None) -> None:
        self._measured = step
        twin = self._twin.current()
        if twin is None or (step == 0 and state is None and self._course.updates):
            return
        pictures = torch.cat(self._pictures)
        labels = torch.cat(self._labels) if self._labels else None
        rows: list[UnitRow] = []

        def look(path: str, module: nn.Module, output: Tensor) -> None:
            rows.append(unit_row(step, path, module, output))

        called: set[str] = set()
        modes = self._modes()
        with undisturbed(twin), torch.no_grad():
            try:
                outputs = with_outputs(twin.eval(), pictures, look, state)
                self._evaluated(step, "eval", outputs, labels)
                for path, module in twin.named_modules():
                    module.training = modes.get(path, True)
                outputs = with_outputs(twin, pictures, lambda path, *_: called.add(path), state)
                self._evaluated(step, "train", outputs, labels)
            except Exception:  # noqa: BLE001 # a network that cannot be called alone has no rows
                self._taken = 0
                return
        self.called = called
        self._course.record.units += rows

    def _evaluated(
        self, step: int, mode: Literal["train", "eval"], outputs: Any, labels: Tensor | None
    ) -> None:
        logits = logits_of(outputs)
        if logits is None or labels is None or len(labels) != len(logits):
            return
        course = self._course
        each = losses(logits, labels, course.loss, course.task)
        course.record.evaluations.append(
            EvaluationRow(
                step=step,
                pass_number=max(course.passes, 1),
                split="train",
                mode=mode,
                loss=float(each.mean()),
                accuracy=float(right(logits, labels).mean()),
                pictures=len(labels),
            )
        )

    def search(self) -> None:
        """Record the first module whose output is not finite on the batch that was called last."""
        started = perf_counter()
        course, twin = self._course, self._twin.current()
        if twin is None or self._last is None:
            return
        found: list[str] = []

        def look(path: str, module: nn.Module, output: Tensor) -> None:
            del module
            if not found and not bool(torch.isfinite(output).all()):
                found.append(path)

        with undisturbed(twin), torch.no_grad():
            try:
                with_outputs(twin, self._last, look)
            except Exception:  # noqa: BLE001 # nothing more can be said of it then
                return
        if not bool(torch.isfinite(self._last).all()):
            course.once(events.NON_FINITE_MODULE, detail="the pictures themselves")
        elif found:
            broken = [
                name for name, one in twin.named_parameters() if not torch.isfinite(one).all()
            ]
            detail = f"weights not finite: {', '.join(broken)}" if broken else "its output"
            course.once(events.NON_FINITE_MODULE, where=(found[0],), detail=detail)
        else:
            course.once(events.NON_FINITE_MODULE, detail="the loss itself: every module is finite")
        course.clock.spent += perf_counter() - started
