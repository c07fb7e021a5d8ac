"""A few lines that write SVG: elements, numbers, escaped text, frames of charts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from hubel.report.charts.scale import Scale, tick_text

Child = str | Markup


def figure(value: float) -> str:
    """Return a coordinate with at most two decimals.

    >>> figure(12.0), figure(3.14159), figure(-0.001)
    ('12', '3.14', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def tag(name: str, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element; text and attributes are escaped, `class_` and `text_anchor` become names
    of SVG, attributes of None are left out.

    >>> str(tag("text", "a<b", x=1.0, text_anchor="end"))
    '<text x="1" text-anchor="end">a&lt;b</text>'
    """
    parts: list[str] = []
    for key, value in attributes.items():
        if value is None:
            continue
        text = value if isinstance(value, str) else figure(value)
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    inner = "".join(str(escape(child)) for child in children)
    # Every piece was escaped above.
    return Markup(f"<{name}{''.join(parts)}>{inner}</{name}>")  # noqa: S704


def group(children: Iterable[Child], class_: str | None = None) -> Markup:
    """Return a group of elements."""
    return tag("g", *children, class_=class_)


def chart(
    width: float, height: float, *children: Child, title: str, kind: str, summary: str = ""
) -> Markup:
    """Return a whole chart that scales with its column; `title` and `summary` are read aloud."""
    return tag(
        "svg",
        *children,
        class_=f"chart {kind}",
        viewBox=f"0 0 {figure(width)} {figure(height)}",
        role="img",
        aria_label=f"{title}. {summary}".strip() if summary else title,
    )


def text_width(text: str, size: float = 12) -> float:
    """Return about how wide `text` is drawn: 0.55 em a letter, 1 em a wide one."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return size * (0.55 * (len(text) - wide) + wide)


def shorten(text: str, room: float, size: float = 12) -> str:
    """Return `text`, cut with an ellipsis where it is wider than `room`."""
    if text_width(text, size) <= room:
        return text
    kept = text
    while kept and text_width(kept + "…", size) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def path(points: Sequence[tuple[float, float]]) -> str:
    """Return the `d` of a line through `points`."""
    return "".join(f"{'L' if i else 'M'}{figure(x)} {figure(y)}" for i, (x, y) in enumerate(points))


def y_axis(scale: Scale, left: float, right: float, *, percent: bool = False) -> list[Markup]:
    """Return hairlines across the chart with their values at the left."""
    ticks = scale.ticks(5)
    parts: list[Markup] = []
    for value in ticks:
        y = scale(value)
        parts.append(tag("line", class_="grid", x1=left, x2=right, y1=y, y2=y))
        label = tick_text(value, ticks, percent=percent)
        parts.append(tag("text", label, class_="tick", x=left - 8, y=y + 4, text_anchor="end"))
    return parts


def x_axis(
    scale: Scale, bottom: float, *, percent: bool = False, whole: bool = False, wanted: int = 6
) -> list[Markup]:
    """Return the axis line at the bottom with its ticks and values."""
    ticks = [tick for tick in scale.ticks(wanted) if not whole or float(tick).is_integer()]
    ends = sorted((scale.start, scale.end))
    parts = [tag("line", class_="axis", x1=ends[0], x2=ends[1], y1=bottom, y2=bottom)]
    for value in ticks:
        x = scale(value)
        parts.append(tag("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        label = tick_text(value, ticks, percent=percent)
        parts.append(tag("text", label, class_="tick", x=x, y=bottom + 18, text_anchor="middle"))
    return parts


def titles(y_title: str, x_title: str, *, left: float, right: float, bottom: float) -> list[Markup]:
    """Return the names of the axes: the vertical one above its values, the other below its own."""
    return [
        tag("text", y_title, class_="axis-name", x=left, y=14),
        tag("text", x_title, class_="axis-name", x=right, y=bottom + 36, text_anchor="end"),
    ]


def hit(shape: Markup, tip: str, *marks: Markup) -> Markup:
    """Return something that shows `tip` under the pointer; `marks` appear only then."""
    return tag("g", tag("title", tip), shape, *marks, class_="hit")
