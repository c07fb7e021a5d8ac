"""The verdict as a strip: the whole score with its interval, and every class as a bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from hubel.report.charts.scale import Scale, finite
from hubel.report.charts.svg import chart, group, hit, shorten, tag, text_width, x_axis
from hubel.report.words import count, interval, percent
from hubel.results import Metric

WIDE: Final = 980.0
NARROW: Final = 380.0
HEIGHT: Final = 146.0
LEFT: Final = 16.0
LINE: Final = 94.0


def strips(whole: Metric, parts: Sequence[tuple[str, float]], *, title: str, noun: str) -> Markup:
    """Return the strip twice, for wide and for narrow windows; the style sheet shows one."""
    return Markup("").join(
        strip(whole, parts, title=title, noun=noun, width=width) for width in (WIDE, NARROW)
    )


def strip(
    whole: Metric,
    parts: Sequence[tuple[str, float]],
    *,
    title: str,
    noun: str,
    width: float = WIDE,
) -> Markup:
    """Return a score in [0, 1] on a line with its 95% interval, and a thin bar a class at its own.

    The line begins at the ten per cent below the lowest of them. The weakest class is named;
    classes at one place share a bar, with their number above it. `NARROW` is for telephones.
    """
    known = [(name, value) for name, value in parts if math.isfinite(value)]
    lowest = min(finite([whole.low, whole.value, *(value for _, value in known)]), default=0.0)
    low = max(0.0, min(0.9, math.floor(lowest * 10 - 0.2) / 10))
    x = Scale(low=low, high=1.0, start=LEFT, end=width - 24)
    places = _together(known, x)
    return chart(
        width,
        HEIGHT,
        group(x_axis(x, LINE, percent=True, wanted=5 if width == WIDE else 3)),
        group(_bars(places), "bars"),
        *_whole(whole, x),
        *_weakest(known, x, noun, width - 240),
        group(_stops(places), "stops"),
        title=title,
        kind=f"strip {'wide' if width == WIDE else 'narrow'}",
        summary=f"{percent(whole.value)}, 95% interval {interval(whole, share=True)}",
    )


def _together(
    known: Sequence[tuple[str, float]], x: Scale
) -> list[tuple[float, list[tuple[str, float]]]]:
    """Return the classes by place on the line; those within two pixels of the first share one."""
    places: list[tuple[float, list[tuple[str, float]]]] = []
    for name, value in sorted(known, key=lambda part: part[1]):
        if not places or x(value) - places[-1][0] > 2:
            places.append((x(value), []))
        places[-1][1].append((name, value))
    return places


def _bars(places: Sequence[tuple[float, Sequence[tuple[str, float]]]]) -> list[Markup]:
    """Return a bar a place, with the number of its classes where there is room to say it."""
    parts: list[Markup] = []
    taken = -math.inf
    for at, here in places:
        parts.append(tag("line", x1=at, x2=at, y1=LINE - 20, y2=LINE - 2))
        if len(here) > 1 and at - taken > 22:
            label = f"×{len(here)}"
            parts.append(tag("text", label, class_="many", x=at, y=LINE - 24, text_anchor="middle"))
            taken = at
    return parts


def _stops(places: Sequence[tuple[float, Sequence[tuple[str, float]]]]) -> list[Markup]:
    """Return what tells the names of the classes at each place, at most 12 of them."""
    parts: list[Markup] = []
    for at, here in places:
        names = [f"{name}: {percent(value)}" for name, value in here[:12]]
        rest = [f"and {len(here) - 12} more"] if len(here) > 12 else []
        halo = tag("line", class_="halo", x1=at, x2=at, y1=LINE - 21, y2=LINE - 1)
        shape = tag("rect", x=at - 5, y=LINE - 28, width=10, height=32)
        parts.append(hit(shape, "\n".join([*names, *rest]), halo))
    return parts


def _whole(whole: Metric, x: Scale) -> list[Markup]:
    """Return the interval as a bar above the line, and the score as a diamond on it."""
    if not math.isfinite(whole.value):
        return []
    parts: list[Markup] = []
    at, y = x(whole.value), LINE - 48
    if math.isfinite(whole.low) and math.isfinite(whole.high):
        low, high = x(max(whole.low, x.low)), x(min(whole.high, 1.0))
        parts.append(tag("rect", class_="interval", x=low, y=y - 4, width=high - low, height=8))
    parts.append(
        tag("path", class_="score", d=f"M{at:.2f} {y - 8}l8 8l-8 8l-8 -8z"),
    )
    text = f"{percent(whole.value)} in all"
    wide = text_width(text, 15) / 2
    middle = min(max(at, wide + LEFT), x.end + 18 - wide)
    parts.append(tag("text", text, class_="score-name", x=middle, y=y - 17, text_anchor="middle"))
    return parts


def _weakest(known: Sequence[tuple[str, float]], x: Scale, noun: str, room: float) -> list[Markup]:
    """Return the name of the class with the lowest score, below its bar; none where all tie."""
    name, value = min(known, key=lambda part: part[1], default=("", 0.0))
    if not known or percent(value) == percent(max(part[1] for part in known)):
        return []
    weakest = sum(other == value for _, other in known)
    text = f"weakest {noun}: {shorten(name, room)}, {percent(value)}"
    if weakest > 1:
        text = f"weakest: {count(weakest, noun)}, {percent(value)}"
    wide = text_width(text) / 2
    middle = min(max(x(value), wide + LEFT), x.end + 18 - wide)
    return [
        tag("path", class_="pointer", d=f"M{x(value):.2f} {LINE + 22}v8"),
        tag("text", text, class_="mark-name", x=middle, y=LINE + 43, text_anchor="middle"),
    ]
