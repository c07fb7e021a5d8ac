"""The section about the diagnosis: what is wrong, how that is known, and what to change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hubel.report.charts import Series, line_chart
from hubel.report.view import Cell, Figure, Table, sort_key
from hubel.report.words import NOTHING, count, listing, number, percent
from hubel.results import Course, Courses, Diagnosis, Finding, LayerEvidence, Treatment, said_of

MOST_NAMES: Final = 12
_HIGH: Final = 0.1
_LOW: Final = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseView:
    """One cause with what to do about it."""

    finding: Finding
    confidence: str
    names: str
    remedies: tuple[str, ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisView:
    """Everything that the section shows."""

    conclusion: str
    notes: tuple[str, ...]
    causes: tuple[CauseView, ...]
    treatments: tuple[tuple[str, str], ...]
    """(what was measured, the command that trains with it where it helped)."""
    observations: tuple[CauseView, ...]
    figures: tuple[Figure, ...]
    layers: Table | None
    healthy: tuple[tuple[str, str], ...]
    """(id, evidence)."""
    unchecked: tuple[tuple[str, str], ...]
    """(ids, reason)."""


def diagnosis_view(diagnosis: Diagnosis) -> DiagnosisView:
    """Return the section."""
    courses = diagnosis.courses
    return DiagnosisView(
        conclusion=diagnosis.conclusion,
        notes=diagnosis.notes,
        causes=tuple(_cause(diagnosis, cause) for cause in diagnosis.causes),
        treatments=tuple(
            (_treatment(one), one.command if one.verdict == "helped" else "")
            for one in diagnosis.tried
        ),
        observations=tuple(_cause(diagnosis, one) for one in diagnosis.observations),
        figures=tuple(_figures(courses)) if courses else (),
        layers=_layers(courses) if courses and courses.layers else None,
        healthy=tuple((one.id, one.evidence) for one in diagnosis.healthy),
        unchecked=_by_reason(diagnosis),
    )


def _cause(diagnosis: Diagnosis, cause: Finding) -> CauseView:
    todo = next((one for one in diagnosis.prescriptions if one.cause == cause.id), None)
    words = (cause.remedy,) if todo is None else (todo.what, todo.code)
    more = len(cause.where) - MOST_NAMES
    return CauseView(
        finding=cause,
        confidence="certain" if cause.confidence >= 1 else f"{percent(cause.confidence, 0)} sure",
        names=", ".join(cause.where[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else ""),
        remedies=tuple(dict.fromkeys(word for word in words if word)),
        command=todo.command if todo else "",
    )


def _treatment(treatment: Treatment) -> str:
    """Return what the paired retrain has measured."""
    gain, low, high = (_points(value) for value in (treatment.gain, treatment.low, treatment.high))
    return (
        f"{treatment.verdict[0].upper()}{treatment.verdict[1:]}: over "
        f"{count(treatment.pairs, 'pair')} of trainings with and without "
        f"{said_of(treatment.options)} ({treatment.lengths}), the validation score changed by "
        f"{gain} points, {100 * treatment.level:g}% interval {low} to {high}. {treatment.limits}"
    ).rstrip()


def _points(value: float) -> str:
    return f"{value * 100:+.1f}".replace("-", "−") if math.isfinite(value) else NOTHING


def _by_reason(diagnosis: Diagnosis) -> tuple[tuple[str, str], ...]:
    """Return what could not be looked for, together where the reason is the same."""
    found: dict[str, list[str]] = {}
    for one in diagnosis.unchecked:
        found.setdefault(one.why, []).append(one.id)
    return tuple((listing(names), why) for why, names in found.items())


def _figures(courses: Courses) -> list[Figure]:
    """Return the plots of what was measured, those that have points."""
    figures = [
        _loss(courses),
        _ratios(courses),
        _gradients(courses.layers),
        _units(courses),
        _waiting(courses),
    ]
    return [figure for figure in figures if figure is not None]


def _series(course: Course, name: str, role: str) -> Series | None:
    """Return a course as a line; None where it has no finite value."""
    points = [(float(x), y) for x, y in zip(course.steps, course.values, strict=True)]
    if not any(math.isfinite(y) for _, y in points):
        return None
    return Series(name=name, role=role, points=points)


def _known(lines: Sequence[Series | None]) -> list[Series]:
    return [line for line in lines if line is not None]


def _chart(
    lines: Sequence[Series | None],
    title: str,
    caption: str,
    y_title: str,
    *,
    stop: str = "step",
    x_title: str = "steps",
    log: bool = False,
    share: bool = False,
    show: Callable[[float], str] = number,
) -> Figure | None:
    known = _known(lines)
    if not known:
        return None
    chart = line_chart(
        known,
        title=title,
        y_title=y_title,
        x_title=x_title,
        log=log,
        percent=share,
        zero=share,
        show=show,
        stop=stop,
    )
    return Figure(chart=chart, title=title, caption=caption)


def _loss(courses: Courses) -> Figure | None:
    return _chart(
        [_series(courses.loss, "train", "train"), _series(courses.val_loss, "validation", "val")],
        "Loss",
        "By update, each point the mean of the updates since the one before.",
        "loss",
        log=True,
        show=lambda value: number(value, 4),
    )


def _ratios(courses: Courses) -> Figure | None:
    roles = ("train", "plain", "val")
    if len(courses.ratios) < len(roles):
        roles = ("train", "val")
    names = {"train": "first", "plain": "middle", "val": "last"}
    lines = [
        _series(course, names[role], role)
        for course, role in zip(courses.ratios, roles, strict=False)
    ]
    layers = ", ".join(f"{names[role]}: {course.name}"
                       for course, role in zip(courses.ratios, roles, strict=False))  # fmt: skip
    return _chart(
        lines,
        "Length of the updates",
        "Mean update over mean weight of three layers; what learns stays between "
        f"{_LOW:g} and {_HIGH:g}. {layers[:1].upper()}{layers[1:]}.",
        "update / weight",
        log=True,
    )


def _gradients(layers: Sequence[LayerEvidence]) -> Figure | None:
    places = range(1, len(layers) + 1)
    lines = [
        _series(Course(name="", steps=tuple(places), values=tuple(values)), name, role)
        for name, role, values in (
            ("at first", "train", [layer.first_gradient for layer in layers]),
            ("at last", "val", [layer.last_gradient for layer in layers]),
        )
    ]
    return _chart(
        lines,
        "Gradient by layer",
        "Root mean square over the weights of each layer, from the input to the output. A line "
        "that climbs by powers of ten says that the first layers hardly learn.",
        "gradient",
        stop="layer",
        x_title="layers",
        log=True,
    )


def _units(courses: Courses) -> Figure | None:
    units = courses.units
    places = range(1, len(units) + 1)
    lines = [
        _series(Course(name="", steps=tuple(places), values=tuple(values)), name, role)
        for name, role, values in (
            ("off", "train", [unit.dead for unit in units]),
            ("saturated", "val", [unit.saturated for unit in units]),
        )
    ]
    told = {
        "off": "Share of the channels that are off for every picture",
        "saturated": "Share of the units at an end of their range",
    }
    return _chart(
        lines,
        "Units out of use",
        f"{' and '.join(told[line.name] for line in _known(lines))}, when they were looked at "
        "last.",
        "share",
        stop="layer",
        x_title="layers",
        share=True,
        show=percent,
    )


def _waiting(courses: Courses) -> Figure | None:
    return _chart(
        [_series(courses.waiting, "waiting", "plain")],
        "Waiting for pictures",
        "Share of the time in which the network had nothing to do.",
        "share",
        share=True,
        show=percent,
    )


def _layers(courses: Courses) -> Table:
    """Return the layers as a table, from the input to the output."""
    rows = tuple(
        (
            Cell(text=layer.name, key=place),
            *(
                Cell(text=number(value), key=sort_key(value))
                for value in (layer.first_gradient, layer.last_gradient, layer.update_ratio)
            ),
        )
        for place, layer in enumerate(courses.layers)
    )
    return Table(
        heads=("layer", "first gradient", "last gradient", "update / weight"),
        rows=rows,
        sorted_by=0,
    )
