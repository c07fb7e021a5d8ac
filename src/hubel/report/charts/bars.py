"""Small bars that stand inside the cells of tables."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from hubel.report.charts.svg import tag


def stacked_bar(parts: Sequence[tuple[str, float]], longest: float) -> Markup:
    """Return (class in the style sheet, amount) side by side; `longest` fills the whole width.

    It is stretched to its cell, and silent: the numbers stand in the cells beside it.
    """
    rects: list[Markup] = []
    start = 0.0
    for role, amount in parts:
        if amount > 0 and longest > 0:
            wide = 1000 * amount / longest
            rects.append(tag("rect", class_=role, x=start, y=0.0, width=wide, height=10.0))
            start += wide
    return tag(
        "svg",
        *rects,
        class_="bar",
        viewBox="0 0 1000 10",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
