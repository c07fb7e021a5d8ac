"""The record of a training: rows that were measured while it ran; nothing here judges them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

MOST_STEPS: Final = 20_000
"""Rows of updates that a record keeps, at most, however long a training is."""
EARLY_STEPS: Final = 1_000
"""Updates of which each one is kept in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One update of the weights. Measured at every step, so nothing in it costs anything."""

    step: int
    """From 1: updates that are done with this one."""
    pass_number: int
    """From 1: passes over the training data, this one counted."""
    loss: float
    """As the loop computed it (sums stay sums), mean over the backward passes of the update."""
    lr: float
    """Largest learning rate of the optimizer's groups at this update."""
    pictures: int
    """0 where not known."""
    accuracy: float = math.nan
    """Share of right answers among the step's pictures, from the outputs of the training itself."""
    waited_s: float = 0.0
    """Time in which the loop waited for the loader."""
    took_s: float = 0.0
    """From the end of the update before to the end of this one."""
    backwards: int = 1
    """Backward passes since the update before: more than 1 where gradients are accumulated."""
    left_over: bool = False
    """Whether gradients of before the last update were still there when the first backward came."""
    training: bool = True
    """Whether the network was in training mode in the forward pass."""

    @property
    def lost(self) -> bool:
        """Whether the loss was computed and is not finite; False where no backward was seen."""
        return self.backwards > 0 and not math.isfinite(self.loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRow:
    """One parameter at one sampled update. Root mean squares over its elements."""

    step: int
    name: str
    """As in `named_parameters`."""
    weight: float
    """Before the update."""
    gradient: float
    """As the optimizer got it, loss scaling taken out; NaN where there was none (None)."""
    update: float
    """Of the change that the update made, measured on at most 4,096 elements."""
    mean_ratio: float
    """mean|update| / mean|weight| over these elements; NaN where the weights are all 0."""
    finite: bool = True
    spread: float = math.nan
    """How far the units (axis 0) are apart, before the update: root mean square of the weights'
    distance to their mean over axis 0, divided by `weight`. 0 where all units have equal weights;
    NaN where it was not measured, where the weights are all 0, or with fewer than 2 axes."""
    zero_gradient: float = math.nan
    """Share of the gradient's elements that are exactly 0; NaN where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """The outputs of one leaf module on the fixed probe batch, in evaluation mode."""

    step: int
    path: str
    """As in `named_modules`."""
    kind: str
    """Name of the class: `ReLU`, `Conv2d`."""
    mean: float
    std: float
    largest: float
    """Largest |a|."""
    zeros: float
    """Share of the elements that are 0. A healthy ReLU has many: never a symptom alone."""
    dead: float
    """Share of the channels whose 95th percentile of |a| is below 1e-5."""
    still: float
    """Share of the channels that are the same for all pictures (variance over pictures < 1e-10)."""
    saturated: float = math.nan
    """Share of the units of a bounded activation near one of its ends (within 5% of the range) for
    more than 85% of pictures and places; NaN for modules that are not bounded."""
    gradient: float = math.nan
    """Root mean square of the loss's gradient at this output; NaN where it was not measured."""
    finite: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """What one sampled batch of the loader was."""

    step: int
    split: Literal["train", "val"]
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    mean: tuple[float, ...]
    """Per channel (axis 1); one number for inputs of other ranks."""
    std: tuple[float, ...]
    labels: tuple[int, ...] = ()
    """The batch's labels, in order; empty where they are no class numbers."""
    finite: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """A measurement of the network as it stood after `step` updates."""

    step: int
    pass_number: int
    split: Literal["train", "val"]
    mode: Literal["train", "eval"]
    """Mode of the network; `train` on split `train` is what the training itself saw."""
    loss: float
    accuracy: float
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened once and matters."""

    step: int
    kind: str
    """A stable name, as `eval-mode-step`; the kinds stand in `hubel.diagnosis.evidence.events`."""
    where: tuple[str, ...] = ()
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Record:
    """All that was measured, in the order in which it was."""

    steps: list[StepRow] = field(default_factory=list)
    weights: list[WeightRow] = field(default_factory=list)
    units: list[UnitRow] = field(default_factory=list)
    batches: list[BatchRow] = field(default_factory=list)
    evaluations: list[EvaluationRow] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    initial_loss: float = math.nan
    """Mean loss a picture of the probe batch before the first update, in training mode."""
    probe_overhead: float = 0.0
    """Share of the training's time that measuring took."""
    step_every: int = 1
    """One update in so many is kept, beyond the early ones."""

    def add_step(self, row: StepRow) -> None:
        """Add an update; where there are too many, keep every second one of those kept so far."""
        if row.step > EARLY_STEPS and row.step % self.step_every:
            return
        self.steps.append(row)
        if len(self.steps) > MOST_STEPS:
            self.step_every *= 2
            self.steps[:] = [
                one
                for one in self.steps
                if one.step <= EARLY_STEPS or one.step % self.step_every == 0
            ]
