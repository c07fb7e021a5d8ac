"""What the parts of a watch tell each other while a training runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.diagnosis.evidence.record import Event, Record
from hubel.diagnosis.evidence.setting import LossFact
from hubel.diagnosis.watching.clock import Clock

Split = Literal["train", "val"]


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """A batch that a loader gave out."""

    split: Split
    pictures: Tensor
    labels: Tensor | None
    serial: int
    """Which iteration over the loader it came from."""
    forwards: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Course:
    """The state of one watched training."""

    model: nn.Module
    """As it was handed over: the one that the loop calls."""
    network: nn.Module
    """The same, without wrappers of compilation or distribution."""
    optimizer: Optimizer
    record: Record
    clock: Clock
    thread: int = field(default_factory=threading.get_ident)
    updates: int = 0
    passes: int = 0
    loss: LossFact | None = None
    task: Literal["classification", "multilabel", "regression", "unknown"] = "unknown"
    batch: Batch | None = None
    """The one that the network was called with last."""
    outputs: Tensor | None = None
    """Of the last training forward; kept until the loss was read."""
    unanswered: int = 0
    """Calls in training that no backward has followed yet."""
    backwards: int = 0
    """Since the last update."""
    all_backwards: int = 0
    paused: bool = False
    """Whether the doctor itself is at work."""
    scaled: bool = False
    """Whether gradients are scaled against underflow."""
    said: set[str] = field(default_factory=set[str])
    """Kinds of events that are recorded at most once, and were."""

    def mine(self) -> bool:
        """Return whether what happens now is the training, in its own thread; else a test of it."""
        return not self.paused and threading.get_ident() == self.thread

    def once(self, kind: str, *, where: tuple[str, ...] = (), detail: str = "") -> None:
        """Record an event, the first time only."""
        if kind not in self.said:
            self.said.add(kind)
            step = self.updates + 1
            self.record.events.append(Event(step=step, kind=kind, where=where, detail=detail))


def bare(model: nn.Module) -> nn.Module:
    """Return a network without the wrappers of torch.compile and of data parallelism."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in (
            "DistributedDataParallel",
            "DataParallel",
        ):
            inner = getattr(model, "module", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner
