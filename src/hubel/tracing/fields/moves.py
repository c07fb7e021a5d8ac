"""How fields grow: windows that slide along a dimension, unions over dimensions and of branches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hubel.tracing.fields.field_map import (
    NOTHING,
    AxisMap,
    FieldMap,
    Rows,
    dense,
    drop,
    merge,
    moved,
    reshape,
    spread,
)

Taps = NDArray[np.int64]
"""(units, taps): which inputs along a dimension each unit reads; outside of it lies padding."""
ALIGNED: float = 1e-6
"""Pixels by which the centres of joined branches may differ before it is worth a note."""


# Windows ------------------------------------------------------------------------------------


def window(
    fields: FieldMap, dim: int, taps: Taps, rate: float, exact: Taps | None = None
) -> FieldMap:
    """Let each unit along a dimension see the union of the inputs that it reads.

    `rate` is how many inputs lie between neighbouring units. `exact` says what is really read where
    padding repeats inputs; `taps` then counts on as if the map went on.
    """
    fields = merge(fields, dim)
    place = fields.place(dim)
    axes: list[AxisMap] = []
    for axis, rows in zip(fields.axes, _gathered(fields, dim, taps, exact), strict=True):
        steps = (*axis.steps[:place], axis.steps[place] * rate, *axis.steps[place + 1 :])
        stride = axis.stride * abs(rate) if axis.steps[place] else axis.stride
        axes.append(moved(axis, rows.min(axis=1 + place), steps, stride=stride))
    factors = (*fields.factors[:dim], (taps.shape[0],), *fields.factors[dim + 1 :])
    return FieldMap(factors, tuple(axes))


def unfold(fields: FieldMap, dim: int, taps: Taps, rate: float, dilation: float) -> FieldMap:
    """Make a dimension two factors, (units, taps), where each unit keeps its taps apart."""
    fields = merge(fields, dim)
    place = fields.place(dim)
    axes: list[AxisMap] = []
    for axis, rows in zip(fields.axes, _gathered(fields, dim, taps, None), strict=True):
        step = axis.steps[place]
        steps = (*axis.steps[:place], step * rate, step * dilation, *axis.steps[place + 1 :])
        axes.append(moved(axis, rows.swapaxes(1 + place, 2 + place), steps))
    factors = (*fields.factors[:dim], tuple(taps.shape), *fields.factors[dim + 1 :])
    return FieldMap(factors, tuple(axes))


def take(fields: FieldMap, dim: int, positions: NDArray[np.int64], rate: float) -> FieldMap:
    """Let each unit along a dimension be one input; evenly spaced ones keep the map regular."""
    return window(fields, dim, positions[:, None], rate)


def shuffle(fields: FieldMap, dim: int, positions: NDArray[np.int64]) -> FieldMap:
    """Put the inputs along a dimension into another order, which is no even spacing any more."""
    result = take(fields, dim, positions, 1.0)
    place = result.place(dim)
    axes = tuple(
        replace(axis, regular=axis.regular and not axis.steps[place]) for axis in result.axes
    )
    return FieldMap(result.factors, axes)


def _gathered(fields: FieldMap, dim: int, taps: Taps, exact: Taps | None) -> list[Rows]:
    """Return for each axis its rows with the dimension replaced by (taps, units)."""
    place, length = fields.place(dim), fields.factors[dim][0]
    taps = taps.T
    exact = None if exact is None else exact.T
    inside = taps.clip(0, length - 1)
    beyond = taps - inside
    exact = taps if exact is None else exact
    padding = (exact < 0) | (exact >= length)
    padded = bool(padding.any())
    vanishing = padded and bool(padding.all(axis=0).any())
    tail = (1,) * (len(fields.lengths) - place - 1)
    gathered: list[Rows] = []
    for axis in fields.axes:
        step, rows = axis.steps[place], axis.rows
        constant = rows.shape[1 + place] == 1 and (step == 0 or axis.whole)
        if constant and not vanishing:
            gathered.append(np.expand_dims(rows, 1 + place))
            continue
        rows = dense(rows, place, length)
        seen = rows.take(inside, axis=1 + place)
        if exact is not taps:
            seen[:2] = rows[:2].take(exact.clip(0, length - 1), axis=1 + place)
        if padded:
            seen[:2] = np.where(padding.reshape(*padding.shape, *tail), NOTHING, seen[:2])
        if step and not axis.whole and (padded or exact is not taps):
            shift = beyond.reshape(*beyond.shape, *tail) * step
            seen[2] += shift
            seen[3] -= shift
        gathered.append(seen)
    return gathered


# Unions over dimensions ---------------------------------------------------------------------


def mix(fields: FieldMap, dims: Sequence[int], *, stays: bool = True) -> FieldMap:
    """Let each unit see what all units along some dimensions see together; the shape stays.

    Where the dimensions do not stay afterwards, the map that is left is as regular as before.
    """
    places = [place for dim in dims for place in fields.places(dim)]
    lengths = fields.lengths
    axes: list[AxisMap] = []
    for axis in fields.axes:
        rows = axis.rows
        over = tuple(1 + place for place in places if rows.shape[1 + place] > 1)
        crossed = any(axis.steps[place] and lengths[place] > 1 for place in places)
        if over:
            rows = rows.min(axis=over, keepdims=True)
        if not crossed or axis.whole:
            axes.append(replace(axis, rows=rows))
            continue
        steps = [0.0 if at in places and lengths[at] > 1 else s for at, s in enumerate(axis.steps)]
        left = any(step and length > 1 for step, length in zip(steps, lengths, strict=True))
        if left and not _sees_all(rows):
            axes.append(moved(axis, rows, steps, regular=not stays))
        else:
            axes.append(_made_whole(axis, rows))
    return FieldMap(fields.factors, tuple(axes))


def reduce(fields: FieldMap, dims: Sequence[int], *, keep: bool) -> FieldMap:
    """Let one unit see what all units along some dimensions see together."""
    mixed = mix(fields, dims, stays=False)
    for dim in dims:
        mixed = _shrunk(mixed, dim)
    return mixed if keep else drop(mixed, dims)


def contract(fields: FieldMap, dim: int, length: int) -> FieldMap:
    """Let each of `length` new units along a dimension see all the old ones (a matrix product)."""
    if all(
        not any(axis.steps[place] or axis.rows.shape[1 + place] > 1 for place in fields.places(dim))
        for axis in fields.axes
    ):
        return spread(fields, dim, length)
    return spread(_shrunk(mix(fields, [dim], stays=False), dim), dim, length)


def _shrunk(fields: FieldMap, dim: int) -> FieldMap:
    """Make a dimension, whose units all see the same, one unit; its step grows by its length."""
    places, lengths = fields.places(dim), fields.factors[dim]
    first, end = places.start, places.stop
    axes: list[AxisMap] = []
    for axis in fields.axes:
        linked = [
            axis.steps[place] * length
            for place, length in zip(places, lengths, strict=True)
            if axis.steps[place]
        ]
        step = max(linked, key=abs, default=0.0)
        rows = axis.rows.reshape(*axis.rows.shape[: 1 + first], 1, *axis.rows.shape[1 + end :])
        steps = (*axis.steps[:first], step, *axis.steps[end:])
        # Units in another order may be more than the axis is long.
        grown = min(axis.stride * math.prod(lengths), float(axis.pixels))
        axes.append(moved(axis, rows, steps, stride=grown if step else axis.stride))
    return FieldMap((*fields.factors[:dim], (1,), *fields.factors[dim + 1 :]), tuple(axes))


def _sees_all(rows: Rows) -> bool:
    """Return whether each unit sees as much as all units see together."""
    exact = rows[:2].reshape(2, -1)
    return bool((exact == exact.min(axis=1, keepdims=True)).all())


def _made_whole(axis: AxisMap, rows: Rows) -> AxisMap:
    """Return an axis whose units see all of it."""
    rows = rows.copy()
    rows[2] = 0.0
    rows[3] = 1.0 - axis.pixels
    return replace(axis, rows=rows, whole=True)


# Unions of branches -------------------------------------------------------------------------


def aligned(maps: Sequence[FieldMap], dims: Sequence[int]) -> list[FieldMap]:
    """Give several maps the same factors in the named dimensions, broadcast ones excepted."""
    done = list(maps)
    for dim in dims:
        known = {each.factors[dim] for each in done}
        if len(known) == 1:
            continue
        long = {factors for factors in known if set(factors) != {1}}
        if len(long) == 1:
            count = len(next(iter(long)))
            done = [
                each if each.factors[dim] in long else _ones(merge(each, dim), dim, count)
                for each in done
            ]
        else:
            done = [merge(each, dim) for each in done]
    return done


def _ones(fields: FieldMap, dim: int, count: int) -> FieldMap:
    """Make a dimension of length 1 several factors of length 1."""
    place = fields.place(dim)
    axes = tuple(
        replace(
            axis,
            rows=axis.rows.reshape(
                *axis.rows.shape[: 1 + place], *(1,) * count, *axis.rows.shape[2 + place :]
            ),
            steps=(*axis.steps[:place], *(axis.steps[place],) * count, *axis.steps[place + 1 :]),
        )
        for axis in fields.axes
    )
    return FieldMap((*fields.factors[:dim], (1,) * count, *fields.factors[dim + 1 :]), axes)


def union(maps: Sequence[FieldMap]) -> FieldMap:
    """Let each unit see what the same unit of any of the maps sees, as elementwise sums do.

    All maps have the same rank; dimensions of length 1 are broadcast.
    """
    first = maps[0]
    if all(each is first for each in maps):
        return first
    maps = aligned(maps, range(len(first.factors)))
    factors = tuple(
        max((each.factors[dim] for each in maps), key=lambda one: (len(one), max(one)))
        for dim in range(len(first.factors))
    )
    lengths = [length for each in factors for length in each]
    axes = [_union_axis(maps, at, lengths) for at in range(len(first.axes))]
    return FieldMap(factors, tuple(axes))


def _union_axis(maps: Sequence[FieldMap], at: int, lengths: Sequence[int]) -> AxisMap:
    """Return one axis of a union."""
    axes = [each.axes[at] for each in maps]
    seeing = [(axis, each.lengths) for axis, each in zip(axes, maps, strict=True)]
    seeing = [(axis, own) for axis, own in seeing if not axis.is_blind] or seeing[:1]
    rows = axes[0].rows
    for axis in axes[1:]:
        if axis.rows is not rows:
            rows = np.minimum(rows, axis.rows)
    steps: list[float] = []
    for place, length in enumerate(lengths):
        full = [axis.steps[place] for axis, own in seeing if own[place] == length]
        steps.append(next((step for step in full if step), 0.0))
    lead = next((axis for axis, _ in seeing if any(axis.steps)), seeing[0][0])
    result = moved(lead, rows, steps, regular=_same_grid(seeing, lengths))
    return _made_whole(result, rows) if any(axis.whole for axis in axes) else result


def _same_grid(seeing: Sequence[tuple[AxisMap, tuple[int, ...]]], lengths: Sequence[int]) -> bool:
    """Return whether the units of the branches that still lie on an axis are spaced alike."""
    grids = {
        tuple(s for s, length in zip(axis.steps, lengths, strict=True) if length > 1)
        for axis, _ in seeing
        if not axis.whole
    }
    return len(grids) <= 1 and all(axis.regular or axis.whole for axis, _ in seeing)


def concatenate(maps: Sequence[FieldMap], dim: int) -> FieldMap:
    """Join maps along a dimension."""
    rank, block = len(maps[0].factors), _block(maps, dim)
    maps = aligned(
        [_in_blocks(each, dim, block) for each in maps],
        [one for one in range(rank) if one != dim],
    )
    place = maps[0].place(dim)
    counts = [each.factors[dim][0] for each in maps]
    joined = (sum(counts),) if block == 1 else (sum(counts), block)
    factors = (*maps[0].factors[:dim], joined, *maps[0].factors[dim + 1 :])
    axes: list[AxisMap] = []
    for at in range(len(maps[0].axes)):
        own = [each.axes[at] for each in maps]
        seeing = [axis for axis in own if not axis.is_blind] or own[:1]
        lead = next((axis for axis in seeing if any(axis.steps)), seeing[0])
        rows = _joined_rows([axis.rows for axis in own], counts, place, lead.steps[place])
        regular = all(axis.regular and axis.steps == lead.steps for axis in own)
        result = moved(lead, rows, lead.steps, regular=regular and not lead.steps[place])
        axes.append(_made_whole(result, rows) if any(axis.whole for axis in own) else result)
    return FieldMap(factors, tuple(axes))


def _block(maps: Sequence[FieldMap], dim: int) -> int:
    """Return the largest count of neighbours along a dimension that see the same in every map.

    Joined branches differ from each other, but seldom inside of one: kept in blocks, their maps
    are as much smaller.
    """
    sizes: list[int] = []
    for each in maps:
        lengths, place = each.factors[dim], each.place(dim)
        size = 1
        for back in range(1, len(lengths) + 1):
            at = place + len(lengths) - back
            if any(axis.rows.shape[1 + at] > 1 or axis.steps[at] for axis in each.axes):
                break
            size *= lengths[-back]
        sizes.append(size)
    return math.gcd(*sizes)


def _in_blocks(fields: FieldMap, dim: int, block: int) -> FieldMap:
    """Make a dimension one factor, or two, the blocks and what is in one."""
    if block == 1:
        return merge(fields, dim)
    if len(fields.factors[dim]) == 1:  # all in it see the same
        place = fields.place(dim)
        axes = tuple(
            replace(
                axis,
                rows=np.expand_dims(axis.rows, 1 + place),
                steps=(*axis.steps[:place], 0.0, *axis.steps[place:]),
            )
            for axis in fields.axes
        )
        halves = (fields.factors[dim][0] // block, block)
        return FieldMap((*fields.factors[:dim], halves, *fields.factors[dim + 1 :]), axes)
    if len(fields.factors[dim]) == 2 and fields.factors[dim][1] == block:
        return fields
    shape = fields.shape
    apart = reshape(fields, (*shape[:dim], shape[dim] // block, block, *shape[dim + 1 :]))
    apart = merge(merge(apart, dim + 1), dim)
    factors = (*apart.factors[:dim], (shape[dim] // block, block), *apart.factors[dim + 2 :])
    return FieldMap(factors, apart.axes)


def _joined_rows(parts: Sequence[Rows], counts: Sequence[int], place: int, step: float) -> Rows:
    """Return the rows of several maps one after the other, short where they are all the same."""
    first = parts[0]
    same = all(
        part is first or (part.shape == first.shape and np.array_equal(part, first))
        for part in parts[1:]
    )
    if same and step == 0 and first.shape[1 + place] == 1:
        return first
    spread_parts = [dense(part, place, count) for part, count in zip(parts, counts, strict=True)]
    others = [part.shape[: 1 + place] + part.shape[2 + place :] for part in spread_parts]
    shape = np.broadcast_shapes(*others)
    full = [
        np.broadcast_to(part, (*shape[: 1 + place], count, *shape[1 + place :]))
        for part, count in zip(spread_parts, counts, strict=True)
    ]
    return np.concatenate(full, axis=1 + place)


def misalignment(maps: Sequence[FieldMap]) -> str | None:
    """Return what does not fit where branches join: strides or centres that differ, or None."""
    for at in range(len(maps[0].axes)):
        axes = [each.axes[at] for each in maps]
        own = [axis for axis in axes if axis.regular and not axis.whole and any(axis.steps)]
        strides = sorted({axis.stride for axis in own})
        if len(strides) > 1:
            return f"strides of {' and '.join(f'{one:g}' for one in strides)} pixels"
        centres = [float((axis.rows[2] - axis.rows[3]).flat[0]) / 2 for axis in own]
        if centres and max(centres) - min(centres) > ALIGNED:
            return f"centres {max(centres) - min(centres):g} pixels apart"
    return None
