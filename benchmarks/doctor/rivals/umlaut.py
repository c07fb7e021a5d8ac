"""UMLAUT's heuristics, with its published thresholds (Schoop et al., CHI 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from benchmarks.doctor.rivals.telemetry import Telemetry

RANGE: Final = (-1.0, 1.0)
RATES: Final = (1e-7, 0.01)
DROPOUT: Final = 0.5
TOO_GOOD: Final = 0.95
ABOVE: Final = 0.05

MEANS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "loss is not a number": ("loss/non-finite", "data/non-finite", "rate/too-high",
                                 "precision/underflow"),
        "input is not normalised": ("data/range", "data/double-normalised"),
        "input is not floating": ("data/range",),
        "no activation": ("design/no-activation",),
        "last layer has an activation": ("loss/activation-before",),
        "learning rate too high": ("rate/too-high",),
        "learning rate too low": ("rate/too-low",),
        "dropout too high": ("fit/over-regularised",),
        "validation too good": ("data/leakage",),
        "validation above training": ("data/leakage", "data/validation-mismatch"),
        "overfitting": ("fit/overfitting", "data/too-few"),
    }
)  # fmt: skip
"""Its errors in our ids; written down before any run."""


def alarms(telemetry: Telemetry) -> tuple[str, ...]:
    """Return what it says: errors before warnings."""
    return tuple(dict.fromkeys(_all(telemetry)))


def _all(telemetry: Telemetry) -> Iterator[str]:
    if any(not math.isfinite(epoch.train_loss) for epoch in telemetry.epochs):
        yield "loss is not a number"
    if telemetry.input_low < RANGE[0] or telemetry.input_high > RANGE[1]:
        yield "input is not normalised"
    if not telemetry.input_floating:
        yield "input is not floating"
    if not telemetry.activations:
        yield "no activation"
    if telemetry.last_layer in {"ReLU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax"}:
        yield "last layer has an activation"
    if telemetry.lr > RATES[1]:
        yield "learning rate too high"
    if telemetry.lr < RATES[0]:
        yield "learning rate too low"
    if any(share > DROPOUT for share in telemetry.dropout):
        yield "dropout too high"
    known = [epoch for epoch in telemetry.epochs if not math.isnan(epoch.val_loss)]
    if any(epoch.val_accuracy > TOO_GOOD for epoch in known):
        yield "validation too good"
    if any(epoch.val_accuracy - epoch.train_accuracy > ABOVE for epoch in known):
        yield "validation above training"
    if any(
        after.val_loss > before.val_loss and after.train_loss < before.train_loss
        for before, after in pairwise(known)
    ):
        yield "overfitting"
