"""The confusion matrix as a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from hubel.report.charts.svg import chart, figure, group, hit, shorten, tag, text_width
from hubel.report.palette import DARK_SHADES_FROM, SHADES
from hubel.report.words import percent

MOST_CLASSES: Final = 100
MOST_TIPS: Final = 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Sizes of the map: side of a cell, room for names, size of their letters."""

    cell: float
    names: float
    letters: float
    counts: bool


def shade(share: float) -> int:
    """Return the shade of a cell that holds `share` of its row: 0 faint to 9 full.

    The square root of the share is cut into ten, so that one mistake in a hundred is seen.
    """
    return min(len(SHADES) - 1, int(math.sqrt(share) * len(SHADES)))


def chosen(counts: Sequence[Sequence[int]], limit: int = MOST_CLASSES) -> list[int]:
    """Return which classes to draw: all, or the `limit` that take part in most mistakes."""
    size = len(counts)
    if size <= limit:
        return list(range(size))
    columns = [sum(row[index] for row in counts) for index in range(size)]
    mistakes = [sum(counts[i]) + columns[i] - 2 * counts[i][i] for i in range(size)]
    return sorted(sorted(range(size), key=lambda i: (-mistakes[i], i))[:limit])


def layout(names: Sequence[str]) -> Layout:
    """Return sizes that keep the map about as wide as a column, whatever the number of classes."""
    size = len(names)
    cell = 56.0 if size <= 6 else 44.0 if size <= 12 else min(30.0, max(7.5, 760 / size))
    letters = min(12.0, max(7.0, cell * 0.95))
    widest = max((text_width(name, letters) for name in names), default=0.0)
    # The corner above the names holds "truth ↓", 42 wide.
    return Layout(
        cell=cell, names=max(32.0, min(widest, 120.0) + 10), letters=letters, counts=cell >= 24
    )


def confusion_matrix(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """Return the heat map: rows are the truth, columns the answers, shades the share of the row.

    Blue cells are right answers, orange ones mistakes; empty cells stay empty. Counts stand in
    cells that have the room, and under the pointer (of the largest mistakes where over 2,500).
    """
    sizes = layout(names)
    side = sizes.cell * len(names)
    left, top = 22 + sizes.names, 22 + sizes.names
    tips = _told(counts)
    cells: list[Markup] = []
    for row, line in enumerate(counts):
        total = sum(line)
        for column, amount in enumerate(line):
            if amount:
                place = (left + column * sizes.cell, top + row * sizes.cell)
                share = amount / total
                tip = ""
                if (row, column) in tips:
                    tip = _tip(names[row], names[column], amount, total)
                cells.append(_cell(place, amount, share, tip, sizes, right=row == column))
    return chart(
        left + side + 8,
        top + side + 8,
        tag("rect", class_="frame", x=left, y=top, width=side, height=side),
        group(_axes(names, sizes, left, top)),
        group(cells, "cells"),
        title="Confusion matrix",
        kind=f"matrix of-{'few' if len(names) <= 25 else 'many'}",
        summary=f"{len(names)} classes; rows are the truth, columns the answers",
    )


def _told(counts: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """Return which cells tell their numbers: the diagonal and the greatest mistakes."""
    filled = [
        (row != column, -amount, row, column)
        for row, line in enumerate(counts)
        for column, amount in enumerate(line)
        if amount
    ]
    return {(row, column) for _, _, row, column in sorted(filled)[:MOST_TIPS]}


def _tip(truth: str, answer: str, amount: int, total: int) -> str:
    """Return what one cell says."""
    share = percent(amount / total)
    if truth == answer:
        return f"{truth}: right\n{amount:,} of {total:,} ({share})"
    return f"{truth}, taken for {answer}\n{amount:,} of {total:,} ({share})"


def _cell(
    place: tuple[float, float], amount: int, share: float, tip: str, sizes: Layout, *, right: bool
) -> Markup:
    """Return one cell, with its count where there is room."""
    gap = 1.0 if sizes.cell >= 14 else 0.25
    level = shade(share)
    square = tag(
        "rect",
        class_=f"{'r' if right else 'w'} s{level}",
        x=place[0] + gap,
        y=place[1] + gap,
        width=sizes.cell - 2 * gap,
        height=sizes.cell - 2 * gap,
    )
    parts = [square]
    if sizes.counts:
        parts.append(
            tag(
                "text",
                f"{amount:,}",
                class_="on" if level >= DARK_SHADES_FROM else "off",
                x=place[0] + sizes.cell / 2,
                y=place[1] + sizes.cell / 2 + 4,
                text_anchor="middle",
            )
        )
    return hit(Markup("").join(parts), tip) if tip else Markup("").join(parts)


def _axes(names: Sequence[str], sizes: Layout, left: float, top: float) -> list[Markup]:
    """Return the names of the classes along both sides, and what the sides mean."""
    parts = [
        tag("text", "truth ↓", class_="axis-name", x=left - 10, y=top - 12, text_anchor="end"),
        tag("text", "answer →", class_="axis-name", x=left, y=14),
    ]
    room = sizes.names - 8
    for index, name in enumerate(names):
        middle = (index + 0.5) * sizes.cell
        label = shorten(name, room, sizes.letters)
        size = f"font-size:{figure(sizes.letters)}px"
        x, y = left + middle, top - 8
        across = sizes.cell >= text_width(label, sizes.letters) + 2
        parts.append(
            tag(
                "text",
                label,
                class_="tick",
                style=size,
                x=left - 8,
                y=top + middle + sizes.letters * 0.35,
                text_anchor="end",
            )
        )
        parts.append(
            tag(
                "text",
                label,
                class_="tick",
                style=size,
                x=x if across else x + sizes.letters * 0.35,
                y=y,
                text_anchor="middle" if across else "start",
                transform=None if across else f"rotate(-90 {figure(x + sizes.letters * 0.35)} {y})",
            )
        )
    return parts
