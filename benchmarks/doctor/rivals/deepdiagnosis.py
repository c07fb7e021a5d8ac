"""DeepDiagnosis's rules, with its published thresholds (Wardat et al., ICSE 2022)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from benchmarks.doctor.rivals.telemetry import LayerRow, Telemetry

DEAD_SHARE: Final = 0.7
SATURATED_SHARE: Final = 0.5
VANISHED: Final = 1e-7
VARIANCE: Final = (1e-5, 10.0)
RATIO: Final = (1e-5, 1e-1)
UNCHANGED: Final = 5
"""Passes."""

MEANS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "numerical error": ("loss/non-finite", "data/non-finite", "precision/underflow",
                            "rate/too-high"),
        "unchanged weight": ("weights/not-moving", "loop/not-stepping", "weights/frozen",
                             "weights/outside-optimizer", "weights/strangers",
                             "loop/step-before-backward"),
        "saturated activation": ("unit/saturated", "data/range"),
        "dead node": ("unit/dead", "initialisation/bias", "initialisation/constant"),
        "out of range": ("loss/activation-before", "loss/wrong-kind"),
        "loss not decreasing": ("loss/stagnation", "loss/divergence", "rate/too-high"),
        "accuracy not increasing": ("loss/stagnation", "fit/underfitting"),
        "vanishing gradient": ("gradient/vanishing",),
        "weight variance": ("initialisation/scale", "initialisation/constant"),
        "high learning rate": ("rate/too-high",),
        "low learning rate": ("rate/too-low", "rate/clipped", "rate/decay"),
    }
)  # fmt: skip
"""Its messages in our ids; written down before any run."""


def alarms(telemetry: Telemetry) -> tuple[str, ...]:
    """Return what it says, in the order in which a training would show it."""
    return tuple(dict.fromkeys(_all(telemetry)))


def _all(telemetry: Telemetry) -> Iterator[str]:
    still: dict[str, int] = {}
    before: dict[str, LayerRow] = {}
    for number, row in enumerate(telemetry.passes):
        epoch = telemetry.epochs[number] if number < len(telemetry.epochs) else None
        if not all(layer.finite for layer in row.layers) or (
            epoch is not None and not math.isfinite(epoch.train_loss)
        ):
            yield "numerical error"
            return
        for activation in row.activations:
            if activation.kind in {"Sigmoid", "Tanh"} and activation.beyond_5 > SATURATED_SHARE:
                yield "saturated activation"
            if activation.kind in {"ReLU", "ReLU6"} and activation.inactive >= DEAD_SHARE:
                yield "dead node"
        if telemetry.last_layer in {"ReLU", "Sigmoid", "Tanh"}:
            yield "out of range"
        for layer in row.layers:
            same = layer.path in before and before[layer.path].weight_mean == layer.weight_mean
            still[layer.path] = still.get(layer.path, 0) + 1 if same else 0
            before[layer.path] = layer
            if still[layer.path] >= UNCHANGED:
                yield "unchanged weight"
            yield from _of_layer(layer)
        if epoch is not None and number:
            last = telemetry.epochs[number - 1]
            if epoch.train_loss >= last.train_loss:
                yield "loss not decreasing"
            if epoch.train_accuracy <= last.train_accuracy:
                yield "accuracy not increasing"


def _of_layer(layer: LayerRow) -> Iterator[str]:
    if not VARIANCE[0] <= layer.weight_variance <= VARIANCE[1]:
        yield "weight variance"
    if math.isnan(layer.gradient_norm):
        return
    if layer.gradient_mean < VANISHED:
        yield "vanishing gradient"
    if layer.update_ratio > RATIO[1]:
        yield "high learning rate"
    elif layer.update_ratio < RATIO[0]:
        yield "low learning rate"
