"""What the units of a tensor see of the picture, carried along the tensor's dimensions.

The dimensions of a tensor are kept as products of factors, so that a picture's axis can be followed
through reshapes, permutations and windows. For each axis of the picture, four rows say what a unit
sees: the exact first and last pixel that reach it, and the first and last pixel of its nominal
field, which goes on linearly outside of the map, inside padding. Last pixels stand negated, so that
the union of fields is the minimum of all four rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
NOTHING: Final = 2.0**40
"""First pixel, and negated last pixel, of a unit that sees nothing."""


@dataclass(frozen=True, slots=True)
class AxisMap:
    """What the units of a tensor see of one axis of the picture."""

    rows: Rows
    """(4, one length a factor), a length being 1 where the field does not depend on the factor:
    exact first, negated exact last, nominal first, negated nominal last pixel."""
    steps: tuple[float, ...]
    """Pixels from one unit to the next along each factor; 0 where the axis does not lie on it."""
    known_stride: float
    """Stride where the steps do not tell: the axis left the tensor, or its units are irregular."""
    whole: bool
    """Whether a global layer made each unit see the whole axis."""
    regular: bool
    """Whether the fields of the units are all of one size and evenly spaced."""
    pixels: int
    """Length of the picture's axis."""

    @property
    def stride(self) -> float:
        """Pixels between the fields of neighbouring units."""
        linked = [abs(step) for step in self.steps if step]
        return min(linked) if linked and self.regular else self.known_stride

    @property
    def is_blind(self) -> bool:
        """Whether no unit sees anything."""
        return bool((self.rows[2] >= NOTHING / 2).all())


@dataclass(frozen=True, slots=True)
class FieldMap:
    """What the units of one tensor see of the picture."""

    factors: tuple[tuple[int, ...], ...]
    """The factors of each dimension, outermost first."""
    axes: tuple[AxisMap, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(math.prod(each) for each in self.factors)

    @property
    def lengths(self) -> tuple[int, ...]:
        """All factors in one row."""
        return tuple(length for each in self.factors for length in each)

    def place(self, dim: int) -> int:
        """Return the place of a dimension's first factor among all factors."""
        return sum(map(len, self.factors[:dim]))

    def places(self, dim: int) -> range:
        """Return the places of all factors of a dimension."""
        first = self.place(dim)
        return range(first, first + len(self.factors[dim]))


def picture_map(shape: Sequence[int]) -> FieldMap:
    """Return the map of the picture itself, (batch, channels, axes…): each unit sees one pixel."""
    axes: list[AxisMap] = []
    for dim in range(2, len(shape)):
        pixels = np.arange(shape[dim], dtype=np.float64)
        rows = np.stack([pixels, -pixels, pixels, -pixels])
        rows = rows.reshape(4, *(shape[dim] if at == dim else 1 for at in range(len(shape))))
        steps = tuple(1.0 if at == dim else 0.0 for at in range(len(shape)))
        axes.append(AxisMap(rows, steps, 1.0, whole=False, regular=True, pixels=shape[dim]))
    return FieldMap(tuple((length,) for length in shape), tuple(axes))


def blind_map(shape: Sequence[int], like: FieldMap) -> FieldMap:
    """Return the map of a tensor that does not depend on the picture."""
    rows = np.full((4,) + (1,) * len(shape), NOTHING)
    steps = (0.0,) * len(shape)
    axes = tuple(AxisMap(rows, steps, 0.0, False, True, axis.pixels) for axis in like.axes)
    return FieldMap(tuple((length,) for length in shape), axes)


def moved(
    axis: AxisMap,
    rows: Rows,
    steps: Sequence[float],
    *,
    regular: bool = True,
    stride: float | None = None,
) -> AxisMap:
    """Return an axis with new rows and steps, its stride remembered unless a new one is given."""
    known = axis.stride if stride is None else stride
    return AxisMap(rows, tuple(steps), known, axis.whole, axis.regular and regular, axis.pixels)


def with_strides(fields: FieldMap, strides: Sequence[float]) -> FieldMap:
    """Return a map whose strides are known from elsewhere than its steps."""
    axes = (replace(axis, known_stride=one) for axis, one in zip(fields.axes, strides, strict=True))
    return FieldMap(fields.factors, tuple(axes))


def dense(rows: Rows, place: int, length: int) -> Rows:
    """Return rows with one factor spread to its length."""
    if rows.shape[1 + place] == length:
        return rows
    shape = list(rows.shape)
    shape[1 + place] = length
    return np.broadcast_to(rows, shape)


# Shapes -------------------------------------------------------------------------------------


def merge(fields: FieldMap, dim: int) -> FieldMap:
    """Make a dimension of several factors one factor."""
    lengths = fields.factors[dim]
    if len(lengths) == 1:
        return fields
    first, end = fields.places(dim).start, fields.places(dim).stop
    total = math.prod(lengths)
    axes: list[AxisMap] = []
    for axis in fields.axes:
        rows, steps = axis.rows, axis.steps[first:end]
        if any(length > 1 for length in rows.shape[1 + first : 1 + end]):
            spread = (*rows.shape[: 1 + first], *lengths, *rows.shape[1 + end :])
            rows, seen = np.broadcast_to(rows, spread), total
        else:
            seen = 1
        rows = rows.reshape(*rows.shape[: 1 + first], seen, *rows.shape[1 + end :])
        step, regular = _merged_step(steps, lengths)
        axes.append(
            moved(axis, rows, (*axis.steps[:first], step, *axis.steps[end:]), regular=regular)
        )
    return FieldMap(
        (*fields.factors[:dim], (total,), *fields.factors[dim + 1 :]),
        tuple(axes),
    )


def _merged_step(steps: Sequence[float], lengths: Sequence[int]) -> tuple[float, bool]:
    """Return the step along factors that became one, and whether it is the same all along."""
    long = [(step, length) for step, length in zip(steps, lengths, strict=True) if length > 1]
    if not long:
        return next((step for step in steps if step), 0.0), True
    inner, regular = long[-1][0], True
    span = long[-1][1]
    for step, length in reversed(long[:-1]):
        regular = regular and step == inner * span
        span *= length
    if regular:
        return inner, True
    inner = 1
    step = 0.0
    for each, length in reversed(long):
        step = each / inner if each else step
        inner *= length
    return step, False


def reshape(fields: FieldMap, shape: Sequence[int]) -> FieldMap:
    """Give the tensor another shape, row by row as memory lies; factors are split where needed."""
    shape = tuple(shape)
    if shape == fields.shape:
        return fields
    plan = _plan(fields.lengths, shape)
    if plan is None:
        return _reshape_dense(fields, shape)
    axes: list[AxisMap] = []
    for axis in fields.axes:
        old = axis.rows.shape
        lengths = [part.length if part.old >= 0 and old[1 + part.old] > 1 else 1 for part in plan]
        steps = [axis.steps[part.old] * part.inner if part.old >= 0 else 0.0 for part in plan]
        axes.append(moved(axis, axis.rows.reshape(4, *lengths), steps))
    groups: list[list[int]] = [[] for _ in shape]
    for part in plan:
        groups[part.dim].append(part.length)
    return FieldMap(tuple(tuple(group) for group in groups), tuple(axes))


class _Part(NamedTuple):
    """A factor of the new shape, cut out of an old one."""

    dim: int
    length: int
    old: int
    """Place of the factor that it was cut out of; −1 for a new dimension of length 1."""
    inner: int
    """Units of the old factor from one unit of this one to the next."""


@lru_cache(maxsize=1024)
def _plan(lengths: tuple[int, ...], shape: tuple[int, ...]) -> tuple[_Part, ...] | None:
    """Return the factors of a new shape, or None where old and new lengths do not divide."""
    parts: list[_Part] = []
    left = list(shape)
    filled = [False] * len(shape)
    at = 0
    for old, length in enumerate(lengths):
        rest, first = length, True
        while rest > 1 or first:
            while at < len(shape) - 1 and left[at] == 1 and (rest > 1 or filled[at]):
                at += 1
            part = math.gcd(rest, left[at])
            if part not in {rest, left[at]} or (part == 1 and rest > 1):
                return None
            rest //= part
            left[at] //= part
            filled[at], first = True, False
            parts.append(_Part(at, part, old, rest))
    parts.extend(_Part(dim, 1, -1, 1) for dim, done in enumerate(filled) if not done)
    return tuple(sorted(parts, key=lambda part: part.dim))


def _reshape_dense(fields: FieldMap, shape: Sequence[int]) -> FieldMap:
    """Give the tensor a shape that its factors do not divide into: factors merge into one row."""
    joined = FieldMap((fields.lengths,), fields.axes)
    return _split_row(merge(joined, 0), shape)


def _split_row(fields: FieldMap, shape: Sequence[int]) -> FieldMap:
    """Split the one factor of a flat tensor into dimensions."""
    inner = [math.prod(shape[at + 1 :]) for at in range(len(shape))]
    axes: list[AxisMap] = []
    for axis in fields.axes:
        lengths = shape if axis.rows.shape[1] > 1 else (1,) * len(shape)
        steps = [
            axis.steps[0] * each if n > 1 else 0.0 for n, each in zip(shape, inner, strict=True)
        ]
        axes.append(moved(axis, axis.rows.reshape(4, *lengths), steps, regular=False))
    return FieldMap(tuple((length,) for length in shape), tuple(axes))


def permute(fields: FieldMap, order: Sequence[int]) -> FieldMap:
    """Put the dimensions into another order."""
    rank = len(fields.factors)
    order = [dim % rank for dim in order]
    places = [place for dim in order for place in fields.places(dim)]
    axes = tuple(
        replace(
            axis,
            rows=axis.rows.transpose(0, *(1 + place for place in places)),
            steps=tuple(axis.steps[place] for place in places),
        )
        for axis in fields.axes
    )
    return FieldMap(tuple(fields.factors[dim] for dim in order), axes)


def drop(fields: FieldMap, dims: Sequence[int]) -> FieldMap:
    """Remove dimensions of length 1, or dimensions on which no field depends any more."""
    gone = {place for dim in dims for place in fields.places(dim)}
    axes = tuple(
        moved(
            axis,
            axis.rows.squeeze(tuple(1 + place for place in gone)),
            [step for place, step in enumerate(axis.steps) if place not in gone],
        )
        for axis in fields.axes
    )
    kept = tuple(each for dim, each in enumerate(fields.factors) if dim not in dims)
    return FieldMap(kept, axes)


def insert(fields: FieldMap, dim: int) -> FieldMap:
    """Insert a dimension of length 1."""
    place = fields.place(dim)
    axes = tuple(
        replace(
            axis,
            rows=np.expand_dims(axis.rows, 1 + place),
            steps=(*axis.steps[:place], 0.0, *axis.steps[place:]),
        )
        for axis in fields.axes
    )
    return FieldMap((*fields.factors[:dim], (1,), *fields.factors[dim:]), axes)


def expand(fields: FieldMap, shape: Sequence[int]) -> FieldMap:
    """Repeat dimensions of length 1, and add new ones in front."""
    while len(fields.factors) < len(shape):
        fields = insert(fields, 0)
    for dim, length in enumerate(shape):
        if math.prod(fields.factors[dim]) == 1 and length > 1:
            fields = spread(merge(fields, dim), dim, length)
    return fields


def spread(fields: FieldMap, dim: int, length: int) -> FieldMap:
    """Give a dimension, on which no field depends, another length."""
    first, end = fields.places(dim).start, fields.places(dim).stop
    axes = tuple(
        moved(
            axis,
            axis.rows.reshape(*axis.rows.shape[: 1 + first], 1, *axis.rows.shape[1 + end :]),
            (*axis.steps[:first], 0.0, *axis.steps[end:]),
        )
        for axis in fields.axes
    )
    factors = (*fields.factors[:dim], (length,), *fields.factors[dim + 1 :])
    return FieldMap(factors, axes)
