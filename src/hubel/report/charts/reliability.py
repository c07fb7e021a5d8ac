"""The reliability diagram: how often a network is right when it says it is sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from hubel.report.charts.scale import Scale
from hubel.report.charts.svg import chart, group, hit, path, tag, titles, x_axis, y_axis
from hubel.report.words import count, percent
from hubel.results import ReliabilityBin

WIDTH: Final = 460.0
HEIGHT: Final = 420.0
LEFT: Final = 52.0
RIGHT: Final = WIDTH - 14
TOP: Final = 32.0
BOTTOM: Final = 308.0
BARS_TOP: Final = 316.0
BARS_BOTTOM: Final = HEIGHT - 44


def reliability_diagram(
    before: Sequence[ReliabilityBin],
    after: Sequence[ReliabilityBin],
    *,
    scaled: bool,
    labels: bool = False,
) -> Markup:
    """Return accuracy over confidence, bin by bin, before (hollow) and after (full) scaling.

    A dot lies on the diagonal where the probability can be believed; its distance is the error.
    Empty bins are left out. Bars below count what is in each bin after scaling: pictures, or, with
    `labels`, labels of pictures, whose accuracy is the share that is present.
    """
    x = Scale(low=0, high=1, start=LEFT, end=RIGHT)
    y = Scale(low=0, high=1, start=BOTTOM, end=TOP)
    truth, noun = ("present", "label") if labels else ("right", "picture")
    name_y = f"share that is {truth}"
    lines: list[tuple[str, str, Sequence[ReliabilityBin]]] = [("before", "before scaling", before)]
    if scaled:
        lines.append(("after", "after scaling", after))
    else:
        lines = [("after", "as it stands", before)]
    return chart(
        WIDTH,
        HEIGHT,
        group(y_axis(y, LEFT, RIGHT, percent=True)),
        group(x_axis(x, BARS_BOTTOM, percent=True)),
        group(titles(name_y, "probability", left=8, right=RIGHT, bottom=BARS_BOTTOM)),
        tag("path", class_="ideal", d=path([(x(0), y(0)), (x(1), y(1))])),
        group(_bars(lines[-1][2], x, noun), "bars"),
        *(_dots(role, (name, truth, noun), bins, x, y) for role, name, bins in lines),
        title="Reliability diagram",
        kind="reliability",
        summary="; ".join(
            f"{name}: at {percent(b.confidence, 0)}, {truth} {percent(b.accuracy, 0)}"
            for _, name, bins in lines[-1:]
            for b in bins
            if b.count
        ),
    )


def _dots(
    role: str, words: tuple[str, str, str], bins: Sequence[ReliabilityBin], x: Scale, y: Scale
) -> Markup:
    """Return the dots of one state, joined by a line."""
    name, truth, noun = words
    filled = [b for b in bins if b.count]
    places = [(x(b.confidence), y(b.accuracy)) for b in filled]
    parts = [tag("path", d=path(places))] if len(places) > 1 else []
    for b, (at, height) in zip(filled, places, strict=True):
        tip = (
            f"{name}\nsays {percent(b.confidence)}, {truth} {percent(b.accuracy)}"
            f"\n{count(b.count, noun)}"
        )
        dot = tag("circle", cx=at, cy=height, r=4.5)
        # The ring that catches the pointer is larger than the dot that is seen.
        parts.append(hit(tag("circle", class_="ring", cx=at, cy=height, r=11), tip, dot))
    return group(parts, f"dots {role}")


def _bars(bins: Sequence[ReliabilityBin], x: Scale, noun: str) -> list[Markup]:
    """Return how many pictures or labels each bin holds."""
    most = max((b.count for b in bins), default=0)
    if not most:
        return []
    height = Scale(low=0, high=most, start=0, end=BARS_BOTTOM - BARS_TOP)
    parts: list[Markup] = []
    for b in bins:
        if b.count:
            tall = max(1.0, height(b.count))
            bar = tag(
                "rect",
                x=x(b.low) + 1.5,
                y=BARS_BOTTOM - tall,
                width=x(b.high) - x(b.low) - 3,
                height=tall,
            )
            tip = f"{percent(b.low, 0)} to {percent(b.high, 0)}\n{count(b.count, noun)}"
            parts.append(hit(bar, tip))
    return parts
