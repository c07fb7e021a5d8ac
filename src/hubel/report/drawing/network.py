"""A network as SVG: boxes in ranks, shaded by their share of the cost, joined by lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from hubel.report import palette
from hubel.report.charts.svg import Child, figure, group, shorten, tag
from hubel.report.drawing.boxes import Box, boxes_of, region, shape_text, tip
from hubel.report.drawing.layout import Point, layered
from hubel.report.rendering import asset
from hubel.results import Check

WIDTH: Final = 168.0
HEIGHT: Final = 40.0
COLUMN: Final = 188.0
RANK: Final = 66.0
MARGIN: Final = 24.0
ASIDE: Final = 90.0
"""How far lines of long edges swing out."""


def draw_network(check: Check) -> Markup:
    """Return the drawing of a network; each box tells its figures under the pointer.

    A box carries the region that its middle unit sees, as `data-region="x y width height"` in
    pixels of the input, where the input is a picture.
    """
    boxes, pairs = boxes_of(check)
    # The input is a node of its own, before all others.
    layout = layered(len(boxes) + 1, [(first + 1, second + 1) for first, second in pairs])
    width = layout.width * COLUMN + WIDTH + 2 * (MARGIN + ASIDE)
    height = (layout.ranks - 1) * RANK + HEIGHT + 2 * MARGIN
    lines = [_line(route) for route in layout.routes]
    picture = check.input[1:]
    drawn = [_box(box, place, picture) for box, place in zip(boxes, layout.places[1:], strict=True)]
    source = _frame(layout.places[0], "input", " × ".join(map(str, check.input)), class_="source")
    return tag(
        "svg",
        group(lines, "edges"),
        source,
        *drawn,
        class_="chart network",
        viewBox=f"0 0 {figure(width)} {figure(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=f"{check.model}: {len(boxes)} boxes in {layout.ranks} ranks",
    )


def stand_alone(check: Check) -> str:
    """Return the drawing as an SVG file of its own, in the light colours."""
    rules = "".join(
        line
        for line in asset("report.css").splitlines()
        if line.startswith((".network", ".chart text"))
    )
    style = (
        f":root{{{palette.variables(palette.LIGHT)}}}"
        f"svg{{font:12px sans-serif;background:var(--paper)}}{rules}"
    )
    drawing = draw_network(check)
    opening, _, rest = str(drawing).partition(">")
    return f'{opening} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{rest}\n'


def _corner(place: Point) -> Point:
    """Return the upper left corner of a box, in pixels."""
    return MARGIN + ASIDE + place[0] * COLUMN, MARGIN + place[1] * RANK


def _box(box: Box, place: Point, picture: Sequence[int]) -> Markup:
    """Return one box with its name, its output shape and its tip."""
    name = box.head.kind + (f" {box.head.details}" if box.head.details else "")
    others = "".join(f" · {row.kind}" for row in box.rows[1:])
    shape = shape_text(box.last.output_shape) + others
    seen = region(box, picture)
    return _frame(
        place,
        name,
        shape,
        tag("title", tip(box)),
        class_="box hit",
        shade=min(1.0, box.share**0.5) if box.share > 0 else 0.0,
        region=None if seen is None else " ".join(figure(number) for number in seen),
    )


def _frame(
    place: Point,
    name: str,
    shape: str,
    *before: Child,
    class_: str,
    shade: float = 0.0,
    region: str | None = None,
) -> Markup:
    """Return a rectangle with two lines of text."""
    x, y = _corner(place)
    return tag(
        "g",
        *before,
        tag("rect", x=x, y=y, width=WIDTH, height=HEIGHT, rx=4, class_="ground"),
        tag("rect", x=x, y=y, width=WIDTH, height=HEIGHT, rx=4, class_="cost", fill_opacity=shade),
        tag("text", shorten(name, WIDTH - 16, 12), x=x + 8, y=y + 16, class_="name"),
        tag("text", shorten(shape, WIDTH - 16, 11), x=x + 8, y=y + 32, class_="tick"),
        class_=class_,
        data_region=region,
    )


def _line(route: Sequence[Point]) -> Markup:
    """Return an edge: smooth from box to box, or a faint bow at the left of what lies between."""
    (x, y), (to_x, to_y) = _corner(route[0]), _corner(route[-1])
    span = route[-1][1] - route[0][1]
    if len(route) == 2 and span > 1:
        left = figure(min(x, to_x) - min(ASIDE, 6 * span))
        y, to_y = y + HEIGHT / 2, to_y + HEIGHT / 2
        bow = f"C{left} {figure(y)} {left} {figure(to_y)} {figure(to_x)} {figure(to_y)}"
        return tag("path", d=f"M{figure(x)} {figure(y)}{bow}", class_="edge aside")
    return tag("path", d=_route([_corner(place) for place in route]), class_="edge")


def _route(corners: Sequence[Point]) -> str:
    """Return the `d` of an edge through the places between its ends."""
    middle = WIDTH / 2
    text = f"M{figure(corners[0][0] + middle)} {figure(corners[0][1] + HEIGHT)}"
    for place, ((x, y), (to_x, to_y)) in enumerate(pairwise(corners), start=1):
        start, end = figure(x + middle), figure(to_x + middle)
        bend = figure((y + HEIGHT + to_y) / 2)
        text += f"C{start} {bend} {end} {bend} {end} {figure(to_y)}"
        if place < len(corners) - 1:
            text += f"L{end} {figure(to_y + HEIGHT)}"
    return text
