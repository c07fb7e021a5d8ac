"""What a training tells those who watch it: progress bars, logs, the doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from hubel.results import EpochRow
from hubel.training.budget import Timeline
from hubel.training.halving import Halvings
from hubel.training.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Times of the four parts of an iteration, in milliseconds."""

    load_ms: float
    forward_ms: float
    loss_ms: float
    backward_ms: float
    update_ms: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepEvent:
    """One update of the weights."""

    step: int
    """From 1."""
    pass_number: int
    """From 1."""
    lr: float
    loss: float
    accuracy: float
    """Share of right answers in the pass so far; NaN where the task has no classes."""
    step_accuracy: float
    """Share of right answers among the step's own pictures; NaN where the task has no classes."""
    pictures: int
    backwards: int
    """Backward passes whose gradients the update took."""
    inputs: Tensor
    """Of the last group of pictures that went through the network together; so are the two below.
    """
    targets: Tensor
    outputs: Tensor
    module: nn.Module
    phases: Phases


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A step that was undone, because its loss or its gradient was not a finite number."""

    step: int
    """From 1."""
    pass_number: int
    """From 1."""
    what: str
    """`loss`, or `norm of the gradient`."""
    value: float
    pictures: tuple[str, ...]
    """Names of the pictures that the step had seen."""
    losses: tuple[float, ...]
    """One a picture."""
    left_out: bool
    """Whether training goes on without the step; else it stops."""


class Observer:
    """Watches a training without changing it; override what is of interest."""

    def started(self, settings: Settings, step: int) -> None:
        """Training begins, or goes on, after `step` updates."""

    def watches(self, step: int) -> bool:
        """Whether `updating` is to be called in step `step` (from 1); other steps cost nothing."""
        del step
        return False

    def updating(self, step: int, module: nn.Module) -> None:
        """The gradients of a watched step stand at the weights as the optimizer gets them.

        It is called again where memory ran out and the step is repeated.
        """

    def stepped(self, event: StepEvent) -> None:
        """One update is done; the gradients are cleared."""

    def passed(self, row: EpochRow) -> None:
        """One pass over the training split is done and its validation measured."""

    def saving(self, step: int) -> None:
        """A checkpoint of the state after `step` updates is about to be written."""

    def saved(self, path: Path) -> None:
        """A checkpoint was written."""

    def revised(self, timeline: Timeline) -> None:
        """The number of steps was revised, so that a budget is kept."""

    def halved(self, halvings: Halvings, validation: Halvings) -> None:
        """Memory ran out: fewer pictures go through the network at a time from here on."""

    def refused(self, refusal: Refusal) -> None:
        """A step was undone; `stepped` is not called for it."""

    def said(self, sentence: str) -> None:
        """Something that a person should read, in one sentence."""

    def ended(self) -> None:
        """Training is over, well or not."""


def told_before_update(
    observers: Iterable[Observer], step: int, module: nn.Module
) -> Callable[[], None] | None:
    """Return what tells those who watch step `step` of its gradients; None where nobody does."""
    watching = [observer for observer in observers if observer.watches(step)]
    if not watching:
        return None

    def tell() -> None:
        for observer in watching:
            observer.updating(step, module)

    return tell
