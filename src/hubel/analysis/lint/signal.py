"""How strong the picture's signal is at each value of a network with given weights: approximate.

The second moment m = E[x²] and the mean μ of a value's numbers are followed through the graph, as
he2015delving does for one stack:

    layer           m' = fan_in E[w²] m,  μ' = 0     (weights around zero, units independent)
    normalisation   m' = E[γ²] + E[β²],   μ' = E[β]
    activation f    m' = E[f(x)²],        μ' = E[f(x)], x normal with the mean and variance before
    sum             m' = m₁ + m₂ + 2 μ₁ μ₂
    product         m' = m₁ m₂
    concatenation   the mean, weighted by the numbers of elements

Biases of layers are left out, since they carry nothing of the picture. Pooling, padding and
interpolation leave both as they are: neighbours are taken to be alike. What cannot be followed is
unknown, and unknown is passed on up to the next normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from hubel.analysis.lint.graph import Graph
from hubel.analysis.lint.kinds import (
    BATCH_NORMS,
    DATA_NORMS,
    GLOBAL_AVERAGES,
    PADS,
    POOLS,
    REARRANGEMENTS,
)
from hubel.tracing.trace import Operation, WeightRef

SAMPLE: Final = 4096
"""Numbers of a weight that are looked at, evenly spread; the error of E[w²] is then about 2%."""
_POINTS: Final = tuple(-4 + 0.25 * place for place in range(33))
_DENSITY: Final = tuple(0.25 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) for z in _POINTS)


@dataclass(frozen=True, slots=True)
class Signal:
    """Second moment and mean of the numbers of a value."""

    second: float
    mean: float


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, x))))


def _elu(x: float) -> float:
    return x if x > 0 else math.expm1(x)


CURVES: Final[Mapping[str, Callable[[float], float]]] = {
    "relu": lambda x: max(x, 0.0),
    "sigmoid": _sigmoid,
    "tanh": math.tanh,
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "elu": _elu,
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "hardswish": lambda x: x * max(0.0, min(6.0, x + 3)) / 6,
    "hardsigmoid": lambda x: max(0.0, min(6.0, x + 3)) / 6,
    "softplus": lambda x: math.log1p(math.exp(min(x, 60.0))),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(min(x, 60.0)))),
}


def signals(graph: Graph, weights: Mapping[str, Tensor]) -> dict[int, Signal | None]:
    """Return the signal at each value, None where it is unknown; the input has m = 1, μ = 0."""
    moments = _Moments(graph, weights)
    known: dict[int, Signal | None] = dict.fromkeys(graph.trace.inputs, Signal(1.0, 0.0))
    for operation in graph.trace.operations:
        after = _after(graph, operation, [known.get(v) for v in operation.inputs], moments)
        known.update(dict.fromkeys(operation.outputs, after))
    return known


class _Moments:
    """Second moments and means of weights, each read once."""

    def __init__(self, graph: Graph, weights: Mapping[str, Tensor]) -> None:
        self._names = [weight.names[0] for weight in graph.trace.weights]
        self._weights = weights
        self._known: dict[int, Signal] = {}

    def of(self, weight: Any) -> Signal | None:
        """Return those of the weight that an argument names; None for anything else."""
        if not isinstance(weight, WeightRef):
            return None
        if weight.id not in self._known:
            tensor = self._weights.get(self._names[weight.id])
            if tensor is None:
                return None
            flat = tensor.detach().reshape(-1)
            seen = flat[:: max(1, flat.numel() // SAMPLE)].double()
            self._known[weight.id] = Signal(seen.square().mean().item(), seen.mean().item())
        return self._known[weight.id]


def _after(
    graph: Graph, operation: Operation, before: list[Signal | None], moments: _Moments
) -> Signal | None:
    """Return the signal after an operation."""
    kind, given = operation.kind, operation.arguments
    if kind in BATCH_NORMS or kind in DATA_NORMS:
        return _normalised(moments, given)
    if not before or any(signal is None for signal in before):
        return None
    first, *others = [signal for signal in before if signal is not None]
    layer = graph.by_operation.get(operation.id)
    if layer is not None:
        weight = moments.of(layer.weight)
        if weight is None or layer.transposed:
            return None
        fan_in = layer.inputs // layer.groups * math.prod(layer.kernel)
        return Signal(fan_in * weight.second * first.second, 0.0)
    if kind in REARRANGEMENTS or kind in POOLS or kind in GLOBAL_AVERAGES or kind in PADS:
        return first
    if kind in {"add", "sub"}:
        return _sum(first, others, 1 if kind == "add" else -1)
    if kind in {"mul", "div"}:
        return _product(first, others, given.get("other"), moments, divides=kind == "div")
    if kind == "cat":
        return _joined(graph, operation, [first, *others])
    return _bent(_curve(operation), first)


def _normalised(moments: _Moments, given: Mapping[str, Any]) -> Signal | None:
    gain, shift = given.get("weight"), given.get("bias")
    gains = Signal(1.0, 1.0) if gain is None else moments.of(gain)
    shifts = Signal(0.0, 0.0) if shift is None else moments.of(shift)
    if gains is None or shifts is None:
        return None
    return Signal(gains.second + shifts.second, shifts.mean)


def _sum(first: Signal, others: list[Signal], sign: int) -> Signal:
    for other in others:
        first = Signal(
            first.second + other.second + sign * 2 * first.mean * other.mean,
            first.mean + sign * other.mean,
        )
    return first


def _product(
    first: Signal, others: list[Signal], other: Any, moments: _Moments, *, divides: bool
) -> Signal | None:
    if isinstance(other, (int, float)):
        factor = 1 / other if divides and other else float(other)
        return Signal(first.second * factor**2, first.mean * factor)
    known = others[0] if others else moments.of(other)
    if known is None or divides:
        return None
    return Signal(first.second * known.second, first.mean * known.mean)


def _joined(graph: Graph, operation: Operation, signals: list[Signal]) -> Signal:
    sizes = [graph.elements(value) for value in operation.inputs]
    whole = sum(sizes) or 1
    pairs = list(zip(sizes, signals, strict=True))
    return Signal(
        sum(size * signal.second for size, signal in pairs) / whole,
        sum(size * signal.mean for size, signal in pairs) / whole,
    )


def _curve(operation: Operation) -> Callable[[float], float] | None:
    """Return the activation that an operation is, its own numbers filled in."""
    given = operation.arguments
    if operation.kind == "hardtanh":
        low, high = float(given["min_val"]), float(given["max_val"])
        return lambda x: max(low, min(high, x))
    if operation.kind == "leaky_relu":
        slope = float(given["negative_slope"])
        return lambda x: x if x > 0 else slope * x
    return CURVES.get(operation.kind)


def _bent(curve: Callable[[float], float] | None, before: Signal) -> Signal | None:
    """Return the moments of f(x), x normal, by a sum over 33 points from -4σ to 4σ."""
    if curve is None:
        return None
    spread = math.sqrt(max(before.second - before.mean**2, 0.0))
    values = [curve(before.mean + spread * z) for z in _POINTS]
    pairs = list(zip(values, _DENSITY, strict=True))
    return Signal(sum(f * f * p for f, p in pairs), sum(f * p for f, p in pairs))
