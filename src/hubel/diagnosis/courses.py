"""From the rows of a record to the few lines and numbers that a page shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, TypeVar

from hubel.diagnosis.evidence.record import Record, StepRow, WeightRow
from hubel.results import Course, Courses, LayerEvidence, UnitEvidence

MOST_POINTS: Final = 300
"""Points of one line, at most."""
MOST_LAYERS: Final = 200
Item = TypeVar("Item")
_MATRIX: Final = "weight"
"""Last word of the names of kernels and matrices: biases and scales follow them."""


def courses_of(record: Record) -> Courses:
    """Return the courses of a record."""
    weights = _by_layer(record.weights)
    names = list(weights)
    chosen = dict.fromkeys([names[0], names[len(names) // 2], names[-1]]) if names else {}
    return Courses(
        loss=_windows("loss", record.steps, lambda rows: _mean([row.loss for row in rows])),
        val_loss=_val_loss(record),
        waiting=_windows("waiting", record.steps, _waiting),
        ratios=tuple(_ratio(name, weights[name]) for name in chosen),
        layers=tuple(_layer(name, rows) for name, rows in _some(list(weights.items()))),
        units=_units(record),
    )


def _windows(
    name: str, rows: Sequence[StepRow], measure: Callable[[Sequence[StepRow]], float]
) -> Course:
    """Return a measure of each of at most 300 windows of updates, at the last of each."""
    wide = max(1, math.ceil(len(rows) / MOST_POINTS))
    windows = [rows[start : start + wide] for start in range(0, len(rows), wide)]
    return Course(
        name=name,
        steps=tuple(window[-1].step for window in windows),
        values=tuple(measure(window) for window in windows),
    )


def _mean(values: Sequence[float]) -> float:
    """Return the mean; NaN where one of the values is not finite, so that the line breaks there."""
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan


def _waiting(rows: Sequence[StepRow]) -> float:
    took = math.fsum(row.took_s for row in rows)
    return math.fsum(row.waited_s for row in rows) / took if took > 0 else math.nan


def _val_loss(record: Record) -> Course:
    rows = [row for row in record.evaluations if (row.split, row.mode) == ("val", "eval")]
    return Course(
        name="validation loss",
        steps=tuple(row.step for row in rows),
        values=tuple(row.loss if math.isfinite(row.loss) else math.nan for row in rows),
    )


def _by_layer(rows: Sequence[WeightRow]) -> dict[str, list[WeightRow]]:
    """Return the sampled rows of each kernel and matrix, in the order of the network."""
    found: dict[str, list[WeightRow]] = {}
    for row in rows:
        if row.name.rpartition(".")[2] == _MATRIX:
            found.setdefault(row.name, []).append(row)
    return found


def _ratio(name: str, rows: Sequence[WeightRow]) -> Course:
    wide = max(1, math.ceil(len(rows) / MOST_POINTS))
    kept = rows[::wide]
    return Course(
        name=name,
        steps=tuple(row.step for row in kept),
        values=tuple(row.mean_ratio for row in kept),
    )


def _layer(name: str, rows: Sequence[WeightRow]) -> LayerEvidence:
    ratios = [row.mean_ratio for row in rows if math.isfinite(row.mean_ratio)]
    return LayerEvidence(
        name=name,
        first_gradient=rows[0].gradient,
        last_gradient=rows[-1].gradient,
        update_ratio=median(ratios) if ratios else math.nan,
    )


def _units(record: Record) -> tuple[UnitEvidence, ...]:
    """Return the last row of each module."""
    last = {row.path: row for row in record.units}
    return tuple(
        UnitEvidence(path=path, kind=row.kind, dead=row.dead, saturated=row.saturated)
        for path, row in _some(list(last.items()))
    )


def _some(items: Sequence[Item]) -> Sequence[Item]:
    """Return at most 200 of the items, spread evenly."""
    if len(items) <= MOST_LAYERS:
        return items
    return [items[place * (len(items) - 1) // (MOST_LAYERS - 1)] for place in range(MOST_LAYERS)]
