"""AutoTrainer's rules of detection, with its default thresholds (Zhang et al., ICSE 2021).

Its "not well trained" is an accuracy below `theta`, which is 0.7 by default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from benchmarks.doctor.rivals.telemetry import PassRow, Telemetry

VANISHING_RATIO: Final = 1e-3
VANISHING_NORM: Final = 1e-4
EXPLODING_RATIO: Final = 70.0
DYING_SHARE: Final = 0.7
SWING: Final = 0.03
SWING_SHARE: Final = 0.2
SLOW: Final = 0.01
ENOUGH: Final = 0.7
JUDGED_FROM: Final = 0.3
DIVERGED: Final = 1e5

MEANS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "explode": ("gradient/exploding", "loss/non-finite", "loss/divergence", "rate/too-high",
                    "initialisation/scale"),
        "vanish": ("gradient/vanishing", "unit/saturated"),
        "relu": ("unit/dead", "initialisation/bias", "initialisation/constant"),
        "unstable": ("loss/oscillation", "rate/too-high", "rate/momentum"),
        "not_converge": ("loss/stagnation", "rate/too-low", "fit/underfitting", "fit/too-short"),
    }
)  # fmt: skip
"""Its names in our ids; written down before any run."""


def alarms(telemetry: Telemetry) -> tuple[str, ...]:
    """Return what it says: as the tool does, it stops at the first check that finds anything."""
    counts = {"relu": 0, "explode": 0, "vanish": 0}
    total = len(telemetry.epochs)
    for number, row in enumerate(telemetry.passes, start=1):
        epochs = telemetry.epochs[:number]
        if not epochs:
            continue
        if (
            _not_finite(row)
            or any(
                not math.isfinite(value)
                for epoch in epochs
                for value in (epoch.train_loss, *_known(epoch.val_loss))
            )
            or max(_known(epochs[-1].val_loss), default=0.0) >= DIVERGED
        ):
            return ("explode",)
        _count(row, counts)
        # A rise takes two passes; the tool's own trainings have fifty and more.
        if number < max(JUDGED_FROM * total, 2):
            continue
        train = [epoch.train_accuracy for epoch in epochs]
        val = [value for epoch in epochs for value in _known(epoch.val_accuracy)] or train
        slow = _rise(train) < SLOW and _rise(val) < SLOW
        if max(val) < ENOUGH or max(train) < ENOUGH or slow:
            for name in ("relu", "explode", "vanish"):
                if counts[name]:
                    return (name,)
            if slow:
                return ("not_converge",)
        elif _swings(train):
            return ("unstable",)
    return ()


def _known(value: float) -> tuple[float, ...]:
    """Return a value, or none where there is no validation."""
    return () if math.isnan(value) else (value,)


def _not_finite(row: PassRow) -> bool:
    return any(not layer.finite for layer in row.layers)


def _count(row: PassRow, counts: dict[str, int]) -> None:
    known = [layer for layer in row.layers if layer.gradient_size]
    if not known:
        return
    first, last = known[0].gradient_norm, known[-1].gradient_norm
    ratio = first / last if last else math.inf
    counts["vanish"] += ratio < VANISHING_RATIO and first < VANISHING_NORM
    counts["explode"] += ratio > EXPLODING_RATIO
    zeros = sum(layer.gradient_zeros * layer.gradient_size for layer in known)
    counts["relu"] += zeros / sum(layer.gradient_size for layer in known) >= DYING_SHARE


def _rise(values: Sequence[float]) -> float:
    return max((after - before for before, after in pairwise(values)),
               default=0.0)  # fmt: skip


def _swings(values: Sequence[float]) -> bool:
    tops, bottoms = [], []
    for before, here, after in zip(values, values[1:], values[2:], strict=False):
        if here >= before and here >= after:
            tops.append(here)
        if here <= before and here <= after:
            bottoms.append(here)
    far = sum(top - low >= SWING for top, low in zip(tops, bottoms, strict=False))
    return far >= SWING_SHARE * len(values) and far > 0
