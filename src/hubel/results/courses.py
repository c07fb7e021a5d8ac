"""The evidence of a diagnosis as numbers to plot: what was measured while a training ran."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One measure over the updates of a training, thinned to a few hundred points."""

    name: str
    """What was measured, or the layer that it was measured of."""
    steps: tuple[int, ...]
    values: tuple[float, ...]
    """NaN where it was not finite, or not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEvidence:
    """One layer with weights: its first and last gradient, and how fast it moved."""

    name: str
    """Of the weights, as in `named_parameters`."""
    first_gradient: float
    """Root mean square over the elements, at the first update that was sampled."""
    last_gradient: float
    update_ratio: float
    """Median over the sampled updates of mean|update| / mean|weight|."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEvidence:
    """The units of one layer on the probe pictures, when they were looked at last."""

    path: str
    kind: str
    dead: float
    """Share of the channels that are off for all pictures."""
    saturated: float
    """Share of the units at an end of their range; NaN where the layer has no ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Courses:
    """What a diagnosis was read from. Lines without points were not measured."""

    loss: Course
    """Of the training, as its loop computed it."""
    val_loss: Course
    waiting: Course
    """Share of the time in which the training waited for its pictures."""
    ratios: tuple[Course, ...]
    """mean|update| / mean|weight| of the first, a middle and the last layer."""
    layers: tuple[LayerEvidence, ...]
    """From the input to the output."""
    units: tuple[UnitEvidence, ...]
