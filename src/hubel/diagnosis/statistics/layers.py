"""The layers with weights, in the order of calls, with what was measured of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import UnitRow, WeightRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One trainable weight of at least two axes, with its rows at the sampled updates."""

    path: str
    """Of its module."""
    kind: str
    """Of its module; empty where not known."""
    shape: tuple[int, ...]
    normalised: bool
    """Whether a normalisation follows: then the scale of the weights does not matter."""
    rows: tuple[WeightRow, ...]

    @property
    def fan_in(self) -> int:
        """Weights that one output reads."""
        return math.prod(self.shape[1:])

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


def layers_of(case: Case) -> tuple[Layer, ...]:
    """Return the layers whose updates were sampled, the first called first."""
    kinds = {module.path: module.kind for module in case.setting.modules}
    order = {path: place for place, path in enumerate(kinds)}
    rows: dict[str, list[WeightRow]] = {}
    for row in case.record.weights:
        rows.setdefault(row.name, []).append(row)
    found = [
        Layer(
            path=(path := fact.name.rpartition(".")[0]),
            kind=kinds.get(path, ""),
            shape=fact.shape,
            normalised=_is_normalised(path, case),
            rows=tuple(rows[fact.name]),
        )
        for fact in case.setting.parameters
        if fact.trainable and len(fact.shape) > 1 and fact.name in rows
    ]
    return tuple(sorted(found, key=lambda layer: order.get(layer.path, len(order))))


def _is_normalised(path: str, case: Case) -> bool:
    paths = [module.path for module in case.setting.modules if module.called]
    kinds = [module.kind for module in case.setting.modules if module.called]
    if path not in paths or paths[-1] == path:
        return False
    return "Norm" in kinds[paths.index(path) + 1]


def update_ratios(layers: tuple[Layer, ...]) -> dict[int, float]:
    """Return by update the median over the layers of mean|update| / mean|weight|."""
    by_step: dict[int, list[float]] = {}
    for layer in layers:
        for row in layer.rows:
            if row.finite and math.isfinite(row.mean_ratio):
                by_step.setdefault(row.step, []).append(row.mean_ratio)
    return {step: median(values) for step, values in sorted(by_step.items())}


def weight_pull(row: WeightRow, layer: Layer) -> float:
    """Return ‖w‖ · ‖g‖: how strongly the loss answers to a relative change of the layer's weights.

    The same for all layers of a plain network of ReLU, however the scale is shared among them: only
    a true loss of gradient over depth makes it fall towards the first layer.
    """
    return row.weight * row.gradient * layer.size


def gradient_norms(case: Case) -> dict[int, float]:
    """Return by sampled update the norm of the gradient over all parameters: √Σ size · rms²."""
    sizes = {fact.name: math.prod(fact.shape) for fact in case.setting.parameters}
    squares: dict[int, float] = {}
    for row in case.record.weights:
        if row.name in sizes and not math.isnan(row.gradient):
            squares[row.step] = squares.get(row.step, 0.0) + sizes[row.name] * row.gradient**2
    return {step: math.sqrt(square) for step, square in sorted(squares.items())}


def probes(case: Case) -> list[list[UnitRow]]:
    """Return the rows of each probe in the order of calls, the first probe first."""
    order = {module.path: place for place, module in enumerate(case.setting.modules)}
    by_step: dict[int, list[UnitRow]] = {}
    for row in case.record.units:
        by_step.setdefault(row.step, []).append(row)
    return [
        sorted(rows, key=lambda row: order.get(row.path, len(order)))
        for _, rows in sorted(by_step.items())
    ]
