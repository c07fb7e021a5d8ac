"""Every number that a symptom is judged by, in one table, with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number."""

    name: str
    """Id of the symptom, a point, and what is compared: `loss/initial.distance`."""
    value: float
    meaning: str
    source: str
    """Bibliography key; `calibrated` where it was set on the calibration half of the suite."""


_ROWS: Final[tuple[Threshold, ...]] = (
    # loop, weights, loss_form, design
    Threshold(
        "loop/gradients-left-over.share", 0.5, "share of updates that met old gradients", "hubel"
    ),
    Threshold(
        "loop/step-before-backward.share", 0.5, "share of updates without a backward", "hubel"
    ),
    Threshold("loop/eval-mode.share", 0.5, "share of updates in evaluation mode", "hubel"),
    Threshold("loop/rhythm.passes", 2.0, "passes after which a scheduler was stepped", "hubel"),
    Threshold("loop/rhythm.period", 0.9, "passes that a period of the rate has at least", "hubel"),
    Threshold("loop/rhythm.turns", 2.0, "periods after which the rate has swung back", "hubel"),
    Threshold("loop/rhythm.near", 0.1, "relative distance of numbers that mean the same", "hubel"),
    Threshold("loop/rhythm.gone", 0.001, "share of the highest rate that is nearly 0", "hubel"),
    Threshold("loop/rhythm.share", 0.25, "share of the updates at nearly no rate", "hubel"),
    Threshold("weights/not-moving.rows", 3.0, "measured updates of a parameter", "hubel"),
    Threshold(
        "weights/not-moving.rate", 0.01, "share of the highest learning rate that counts", "hubel"
    ),
    Threshold("weights/not-moving.share", 0.9, "share of the parameters with a gradient", "hubel"),
    Threshold(
        "loss/outputs-width.factor", 2.0, "outputs for each class, from which on it is odd", "hubel"
    ),
    Threshold(
        "loss/outputs-width.labels", 20.0, "labels seen for each output, to know them all", "hubel"
    ),
    Threshold("design/harm.above", 0.05, "accuracy above chance of what learns", "hubel"),
    Threshold("design/harm.below", 0.15, "accuracy below a simple classifier's", "hubel"),
    Threshold("design/harm.updates", 5.0, "updates in a quarter of the training", "hubel"),
    Threshold("design/harm.fall", 0.1, "fall of the loss over the last quarter", "hubel"),
    Threshold(
        "design/large-head.gap", 0.2, "accuracy in training less accuracy in validation", "hubel"
    ),
    Threshold("design/capacity.width", 1.0, "channels of the widest layer for each class", "hubel"),
    Threshold(
        "design/capacity.parameters", 20.0, "weights for each output of the network", "hubel"
    ),
    Threshold(
        "design/capacity.errors", 2.0, "standard errors of the accuracy below a simple one", "hubel"
    ),
    Threshold("design/capacity.slow", 1e-4, "mean relative update of weights that learn", "hubel"),
    Threshold("design/capacity.fast", 0.1, "mean relative update that is too fast", "hubel"),
    Threshold(
        "loss/activation-before.range",
        5.0,
        "constant factor from which on a bounded activation leaves room enough for logits",
        "hubel",
    ),
)

THRESHOLDS: Final[Mapping[str, Threshold]] = MappingProxyType({row.name: row for row in _ROWS})


def threshold(name: str) -> float:
    """Return the value of a threshold. Errors: KeyError where the table has none such."""
    return THRESHOLDS[name].value
