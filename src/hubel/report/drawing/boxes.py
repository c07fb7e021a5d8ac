"""The boxes of a drawing: a layer together with what only rescales or bends its values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hubel.report.words import count
from hubel.results import Check, Field, LayerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box: rows that follow each other without a branch, the first one naming it."""

    rows: tuple[LayerRow, ...]

    @property
    def head(self) -> LayerRow:
        """The row that names the box."""
        return self.rows[0]

    @property
    def last(self) -> LayerRow:
        """The row whose output leaves the box."""
        return self.rows[-1]

    @property
    def share(self) -> float:
        """Share of the network's MACs."""
        return sum(row.share for row in self.rows)

    @property
    def field(self) -> Field | None:
        """Receptive field of what leaves the box."""
        return self.last.receptive_field


def boxes_of(check: Check) -> tuple[tuple[Box, ...], tuple[tuple[int, int], ...]]:
    """Return the boxes of a network and who reads whom among them; -1 is the input.

    A row joins the box before it where it is that box's only reader, reads nothing else, costs no
    MACs and keeps the number of values: normalisation, activation, dropout, flattening.
    """
    readers: dict[int, int] = {}
    sources: dict[int, list[int]] = {}
    for first, second in check.edges:
        readers[first] = readers.get(first, 0) + 1
        sources.setdefault(second, []).append(first)
    home: dict[int, int] = {-1: -1}
    members: list[list[int]] = []
    for place, row in enumerate(check.layers):
        before = sources.get(place, [])
        if len(before) == 1 and before[0] >= 0 and readers[before[0]] == 1 and _joins(row):
            home[place] = home[before[0]]
            members[home[place]].append(place)
        else:
            home[place] = len(members)
            members.append([place])
    boxes = tuple(Box(rows=tuple(check.layers[i] for i in rows)) for rows in members)
    pairs = {(home[first], home[second]) for first, second in check.edges}
    return boxes, tuple(sorted(pair for pair in pairs if pair[0] != pair[1]))


def _joins(row: LayerRow) -> bool:
    """Return whether a row only rescales, bends or reshapes the values that it reads."""
    return not row.macs and math.prod(row.input_shape) == math.prod(row.output_shape)


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape without its batch dimension: 64 × 56 × 56."""
    return " × ".join(str(side) for side in shape[1:]) or "1"


def tip(box: Box) -> str:
    """Return what is told of a box under the pointer, a line each."""
    lines = [f"{box.head.path or 'network'}{f', call {box.head.call + 1}' * (box.head.call > 0)}"]
    lines += [f"{row.kind}{f' {row.details}' if row.details else ''}" for row in box.rows]
    lines.append(f"gives {shape_text(box.last.output_shape)}")
    params = sum(row.params for row in box.rows)
    macs = sum(row.macs for row in box.rows)
    if params:
        lines.append(count(params, "parameter"))
    if macs:
        lines.append(f"{macs:,} MACs, {box.share:.1%} of all")
    field = box.field
    if field is not None:
        sides = " × ".join(
            "whole" if whole else str(size)
            for size, whole in zip(field.size, field.whole, strict=True)
        )
        lines.append(f"receptive field {sides}")
    return "\n".join(lines)


def region(box: Box, picture: Sequence[int]) -> tuple[float, float, float, float] | None:
    """Return x, y, width, height of the field of the middle unit in a 2-D picture, or None.

    `picture` is (height, width). The field may reach into the padding.
    """
    field, shape = box.field, box.last.output_shape
    if field is None or len(field.size) != 2 or len(picture) != 2:
        return None
    spans: list[tuple[float, float]] = []
    for axis in range(2):
        if field.whole[axis]:
            spans.append((0.0, float(picture[axis])))
            continue
        units = shape[2 + axis] if len(shape) == 4 else 1
        start = field.start[axis] + (units // 2) * field.stride[axis]
        spans.append((start, float(field.size[axis])))
    (y, height), (x, width) = spans
    return x, y, width, height
