"""The two plots of a regression: answers over truth, and errors over answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from markupsafe import Markup

from hubel.report.charts.scale import Point, Scale, extent
from hubel.report.charts.svg import chart, figure, group, hit, path, tag, titles, x_axis, y_axis
from hubel.report.words import number

WIDTH: Final = 460.0
HEIGHT: Final = 340.0
LEFT: Final = 60.0
RIGHT: Final = WIDTH - 14
TOP: Final = 32.0
BOTTOM: Final = HEIGHT - 44
MOST_POINTS: Final = 2000
TOLD: Final = 25
"""How many of the greatest errors tell their numbers under the pointer."""

Kind = Literal["answers", "errors"]


def pairs(truth: Sequence[float], prediction: Sequence[float]) -> list[Point]:
    """Return (truth, prediction) where both are finite, every n-th where over 2,000."""
    known = [
        pair
        for pair in zip(truth, prediction, strict=True)
        if math.isfinite(pair[0]) and math.isfinite(pair[1])
    ]
    return known[:: math.ceil(len(known) / MOST_POINTS)] if len(known) > MOST_POINTS else known


def scatter(
    truth: Sequence[float], prediction: Sequence[float], *, name: str, kind: Kind
) -> Markup:
    """Return one dot a picture: prediction over truth (`answers`), or truth − prediction over
    prediction (`errors`). The line is where a perfect network would lie.

    The 25 greatest errors tell their numbers under the pointer.
    """
    known = pairs(truth, prediction)
    if kind == "answers":
        points = known
        x_low, x_high = y_low, y_high = extent([value for pair in known for value in pair])
        ideal = [(x_low, x_low), (x_high, x_high)]
    else:
        points = [(p, t - p) for t, p in known]
        x_low, x_high = extent(p for _, p in known)
        reach = max((abs(error) for _, error in points), default=0.0) * 1.05 or 1.0
        y_low, y_high = -reach, reach
        ideal = [(x_low, 0.0), (x_high, 0.0)]
    x = Scale(low=x_low, high=x_high, start=LEFT, end=RIGHT)
    y = Scale(low=y_low, high=y_high, start=BOTTOM, end=TOP)
    x_title, y_title = ("truth", "answer") if kind == "answers" else ("answer", "truth − answer")
    # A dot is a stroke of no length with round ends: a fifth of the size of a circle element.
    dots = "".join(f"M{figure(x(a))} {figure(y(b))}h0" for a, b in points)
    return chart(
        WIDTH,
        HEIGHT,
        group(y_axis(y, LEFT, RIGHT)),
        group(x_axis(x, BOTTOM)),
        group(titles(y_title, x_title, left=8, right=RIGHT, bottom=BOTTOM)),
        tag("path", class_="ideal", d=path([(x(a), y(b)) for a, b in ideal])),
        tag("path", class_="cloud", d=dots),
        group(_told(known, points, x, y), "told"),
        title=f"{name}: {y_title} over {x_title}",
        kind="scatter",
        summary=f"{len(points)} pictures",
    )


def _told(known: Sequence[Point], points: Sequence[Point], x: Scale, y: Scale) -> list[Markup]:
    """Return rings around the greatest errors."""
    order = sorted(range(len(known)), key=lambda i: -abs(known[i][0] - known[i][1]))[:TOLD]
    return [
        hit(
            tag("circle", cx=x(points[i][0]), cy=y(points[i][1]), r=6),
            f"truth {number(known[i][0], 4)}\nanswer {number(known[i][1], 4)}",
        )
        for i in order
    ]
