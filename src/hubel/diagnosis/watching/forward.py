"""The calls of the network: their mode, their outputs, and how many answers are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, Literal, final

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.record import EvaluationRow
from hubel.diagnosis.watching.batches import logits_of, pictures_of, right
from hubel.diagnosis.watching.course import Batch, Course, Split
from hubel.diagnosis.watching.loader import Loaders
from hubel.diagnosis.watching.losses import losses

_LARGE: Final = 1 << 20
"""Numbers of an output that are too many to be kept for later."""
_INITIAL: Final = 16
"""Calls before the first update whose loss is kept."""


def nothing(*arguments: object) -> None:
    """Stand for a watch in a copy of the network: do nothing."""


def _nothing() -> Callable[..., None]:
    return nothing


@final
class Hook:
    """A hook on a network that is not copied with it: a copy has a hook that does nothing."""

    def __init__(self, call: Callable[[nn.Module, Any, Mapping[str, Any], Any], None]) -> None:
        self._call = call

    def __call__(self, module: nn.Module, args: Any, kwargs: Any, outputs: Any) -> None:
        """Look at a call, and leave its output as it is."""
        self._call(module, args, kwargs, outputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return nothing

    def __reduce__(self) -> tuple[Callable[[], Callable[..., None]], tuple[()]]:
        return _nothing, ()


@dataclass(slots=True, kw_only=True, eq=False)
class Answers:
    """Outputs of an update with their labels, judged later all at once."""

    outputs: list[Tensor] = field(default_factory=list[Tensor])
    labels: list[Tensor] = field(default_factory=list[Tensor])
    shares: list[Tensor] = field(default_factory=list[Tensor])
    pictures: int = 0
    training: bool = True

    def add(self, outputs: Tensor, labels: Tensor | None) -> None:
        """Keep outputs; large ones are judged at once."""
        self.pictures += len(outputs)
        if labels is None or len(labels) != len(outputs):
            return
        if outputs.numel() > _LARGE:
            self.shares.append(right(outputs.detach(), labels))
        else:
            self.outputs.append(outputs.detach())
            self.labels.append(labels)

    def right(self) -> Tensor | None:
        """Return the share of right answers of each picture."""
        self.shares += map(right, self.outputs, self.labels)
        self.outputs.clear()
        self.labels.clear()
        return torch.cat(self.shares) if self.shares else None


@dataclass(slots=True, kw_only=True, eq=False)
class _Evaluation:
    split: Split
    mode: Literal["train", "eval"]
    pictures: int = 0
    judged: int = 0
    losses: list[Tensor] = field(default_factory=list[Tensor])
    shares: list[Tensor] = field(default_factory=list[Tensor])


@final
class Forward:
    """Watches the calls of one network."""

    def __init__(self, course: Course, loaders: Loaders) -> None:
        self._course = course
        self._loaders = loaders
        self._evaluation: _Evaluation | None = None
        self._initial: list[tuple[Tensor, Tensor]] = []
        self._open: list[tuple[Tensor, Tensor | None, bool]] = []
        self.answers = Answers()
        self.modes: dict[str, bool] = {}
        """Mode of every module in the first training forward."""
        self.autocast: str = ""
        """Type of the arithmetic where autocast was on in it."""
        self.shape: tuple[int, ...] = ()
        """Of its pictures."""
        self.outputs: tuple[int, ...] = ()
        """Shape of the main output in it."""
        self.taken: list[Callable[[Tensor, Batch | None, bool], None]] = []
        """Called with the pictures of each call, their batch, and whether it is training."""
        self._handle = course.model.register_forward_hook(Hook(self._called), with_kwargs=True)

    def stop(self) -> None:
        """Take the hook away."""
        self._handle.remove()

    def _called(self, module: nn.Module, args: Any, kwargs: Any, outputs: Any) -> None:
        course = self._course
        if module is not course.model or not course.mine() or torch.compiler.is_compiling():
            return
        started = perf_counter()
        pictures, logits = pictures_of(args, kwargs), logits_of(outputs)
        if pictures is not None and logits is not None and pictures.ndim:
            batch = self._loaders.match(pictures)
            training = logits.requires_grad and (batch is None or batch.split == "train")
            for take in self.taken:
                take(pictures, batch, training)
            if training:
                self._train(pictures, logits, batch)
            elif batch is not None:
                self._evaluate(logits, batch)
        course.clock.spent += perf_counter() - started

    def _train(self, pictures: Tensor, logits: Tensor, batch: Batch | None) -> None:
        """Keep a call until a backward pass follows; where none does, it was no training."""
        course = self._course
        if not self.modes:
            self._first(pictures, logits)
        if batch is None or batch is not course.batch:
            self._open.clear()
        course.batch = batch
        labels = None if batch is None else batch.labels
        self._open.append((logits.detach(), labels, course.network.training))
        course.unanswered = len(self._open)
        if course.loss is None:
            course.outputs = logits

    def commit(self) -> None:
        """Take the open calls as training: a backward pass came."""
        course = self._course
        if not self._open:
            return
        self.flush()
        self._loaders.count(course.batch)
        for logits, labels, training in self._open:
            self.answers.training &= training
            self.answers.add(logits, labels)
            if course.updates == 0 and labels is not None and len(self._initial) < _INITIAL:
                self._initial.append((logits.clone(), labels))
        self._open.clear()
        course.unanswered = 0

    def _first(self, pictures: Tensor, logits: Tensor) -> None:
        network = self._course.network
        self.modes = {path: module.training for path, module in network.named_modules()}
        self.shape, self.outputs = tuple(pictures.shape), tuple(logits.shape)
        kind = logits.device.type
        if torch.is_autocast_enabled(kind):
            self.autocast = str(torch.get_autocast_dtype(kind)).removeprefix("torch.")

    def initial_loss(self) -> float:
        """Return the mean loss a picture of what was seen before the first update; else NaN."""
        course = self._course
        found = [
            losses(outputs, labels, course.loss, course.task)
            for outputs, labels in self._initial
            if len(outputs) == len(labels)
        ]
        self._initial.clear()
        return float(torch.cat(found).mean()) if found else torch.nan

    def _evaluate(self, logits: Tensor, batch: Batch) -> None:
        course = self._course
        mode = "train" if course.network.training else "eval"
        at = self._evaluation
        if at is None or (at.split, at.mode) != (batch.split, mode):
            self.flush()
            at = self._evaluation = _Evaluation(split=batch.split, mode=mode)
        at.pictures += len(logits)
        if batch.labels is not None and len(batch.labels) == len(logits):
            with torch.no_grad():
                at.judged += len(logits)
                at.shares.append(right(logits.detach(), batch.labels).sum())
                each = losses(logits.detach(), batch.labels, course.loss, course.task)
                at.losses.append(each.sum())

    def flush(self) -> None:
        """Record the evaluation that is over now, if there was one."""
        at, self._evaluation = self._evaluation, None
        if at is None:
            return
        sums = [torch.stack(one).sum() for one in (at.losses, at.shares) if one]
        loss, share = (float(one) / at.judged for one in sums) if sums else (torch.nan,) * 2
        self._course.record.evaluations.append(
            EvaluationRow(
                step=self._course.updates,
                pass_number=self._course.passes,
                split=at.split,
                mode=at.mode,
                loss=loss,
                accuracy=share,
                pictures=at.pictures,
            )
        )
