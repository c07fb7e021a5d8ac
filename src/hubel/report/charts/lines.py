"""Curves over the passes of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from hubel.report.charts.scale import Point, Scale, extent, finite, log_extent, thin
from hubel.report.charts.svg import chart, figure, group, hit, path, tag, titles, x_axis, y_axis
from hubel.report.words import NOTHING

WIDTH: Final = 460.0
HEIGHT: Final = 288.0
LEFT: Final = 52.0
TOP: Final = 40.0
BOTTOM: Final = HEIGHT - 44
LABEL_ROOM: Final = 78.0
MOST_POINTS: Final = 400
MOST_STOPS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line: its name, its class in the style sheet, its points (x rising)."""

    name: str
    role: str
    points: Sequence[Point]


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    y_title: str,
    x_title: str = "passes",
    percent: bool = False,
    log: bool = False,
    zero: bool = False,
    mark: tuple[float, str] | None = None,
    show: Callable[[float], str] = figure,
    stop: str = "pass",
) -> Markup:
    """Return lines over x, named at their ends, with the values at each x under the pointer.

    Values that are not finite leave gaps. With `log` the scale is logarithmic where the values
    span a factor of 30. Lines of more than 400 points keep their extremes; the pointer finds at
    most 120 stops. With `zero` the scale begins at 0. `mark` is a position on x with its name, and
    `stop` what one place on x is called.
    """
    xs = sorted({x for line in series for x, _ in line.points})
    right = WIDTH - (LABEL_ROOM if len(series) > 1 else 14)
    ends = (xs[0], xs[-1]) if len(xs) > 1 else extent(xs)
    x = Scale(low=ends[0], high=ends[1], start=LEFT, end=right)
    y = _heights(series, percent=percent, log=log, zero=zero)
    name = f"{y_title}, logarithmic" if y.log else y_title
    return chart(
        WIDTH,
        HEIGHT,
        group(y_axis(y, LEFT, right, percent=percent)),
        group(x_axis(x, BOTTOM, whole=True)),
        group(titles(name, x_title, left=LEFT - 44, right=right, bottom=BOTTOM)),
        *_marked(mark, x),
        *(_line(line, x, y) for line in series),
        *_names(series, y, right),
        group(_stops(series, xs, x, y, show, stop), "stops"),
        title=title,
        kind="lines",
        summary=_summary(series, show),
    )


def _heights(series: Sequence[Series], *, percent: bool, log: bool, zero: bool) -> Scale:
    """Return the vertical scale; shares stay inside 0 to 1 where they are shares."""
    values = finite(y for line in series for _, y in line.points)
    logarithmic = log_extent(values) if log else None
    low, high = logarithmic or extent(values)
    if zero and values and min(values) >= 0:
        low = 0.0
    if percent:
        low = max(low, min([0.0, *values]))
        high = min(high, max([1.0, *values]))
    return Scale(low=low, high=high, start=BOTTOM, end=TOP, log=logarithmic is not None)


def _line(line: Series, x: Scale, y: Scale) -> Markup:
    """Return one line, broken where values are not finite; a lone point is a dot."""
    runs: list[list[Point]] = [[]]
    for point in line.points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    shapes: list[Markup] = []
    budget = sum(len(run) for run in runs)
    for run in runs:
        share = max(4, MOST_POINTS * len(run) // max(1, budget))
        places = [(x(at), y(value)) for at, value in thin(run, share)]
        if len(places) == 1:
            shapes.append(tag("circle", cx=places[0][0], cy=places[0][1], r=3))
        elif places:
            shapes.append(tag("path", d=path(places)))
    return group(shapes, f"line {line.role}")


def _last(line: Series) -> Point | None:
    """Return the last point whose value is finite."""
    return next((point for point in reversed(line.points) if math.isfinite(point[1])), None)


def _names(series: Sequence[Series], y: Scale, right: float) -> list[Markup]:
    """Return the lines' names beside their ends, at least 15 apart."""
    if len(series) < 2:
        return []
    ends = [(y(last[1]), line) for line in series if (last := _last(line))]
    ends.sort(key=lambda end: end[0])
    labels: list[Markup] = []
    floor = -math.inf
    for index, (at, line) in enumerate(ends):
        rest = 15 * (len(ends) - 1 - index)
        place = min(max(at, floor), BOTTOM - rest)
        floor = place + 15
        kind = f"line-name {line.role}"
        labels.append(tag("text", line.name, class_=kind, x=right + 8, y=place + 4))
    return labels


def _marked(mark: tuple[float, str] | None, x: Scale) -> list[Markup]:
    """Return a vertical line at `mark` with its name at the top."""
    if mark is None or not x.low <= mark[0] <= x.high:
        return []
    at = x(mark[0])
    left_of = at > (x.start + x.end) / 2
    return [
        tag("line", class_="mark", x1=at, x2=at, y1=TOP - 8, y2=BOTTOM),
        tag(
            "text",
            mark[1],
            class_="mark-name",
            x=at + (-5 if left_of else 5),
            y=TOP - 9,
            text_anchor="end" if left_of else "start",
        ),
    ]


def _stops(
    series: Sequence[Series],
    xs: Sequence[float],
    x: Scale,
    y: Scale,
    show: Callable[[float], str],
    name: str,
) -> list[Markup]:
    """Return bands that show the values at their x under the pointer."""
    stops = xs if len(xs) <= MOST_STOPS else [xs[i * (len(xs) - 1) // 119] for i in range(120)]
    tables = [(line, dict(line.points)) for line in series]
    half = (x.end - x.start) / max(1, len(stops) - 1) / 2
    parts: list[Markup] = []
    for stop in stops:
        at = x(stop)
        known = [(line, table[stop]) for line, table in tables if stop in table]
        told = (f"{a.name}: {show(v) if math.isfinite(v) else NOTHING}" for a, v in known)
        tip = "\n".join([f"{name} {figure(stop)}", *told])
        start, end = max(x.start, at - half), min(x.end, at + half)
        band = tag("rect", x=start, y=TOP, width=end - start, height=BOTTOM - TOP)
        marks = [tag("line", x1=at, x2=at, y1=TOP, y2=BOTTOM)]
        marks += [
            tag("circle", class_=line.role, cx=at, cy=y(value), r=3.5)
            for line, value in known
            if math.isfinite(value)
        ]
        parts.append(hit(band, tip, *marks))
    return parts


def _summary(series: Sequence[Series], show: Callable[[float], str]) -> str:
    """Return where each line begins and ends, in words."""
    parts: list[str] = []
    for line in series:
        last = _last(line)
        first = next((point for point in line.points if math.isfinite(point[1])), None)
        if first and last:
            parts.append(f"{line.name} from {show(first[1])} to {show(last[1])}")
    return "; ".join(parts)
