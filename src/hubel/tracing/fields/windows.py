"""Field rules of operations that slide a window: convolution, pooling, padding, unfolding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.tracing.fields.field_map import FieldMap, permute, reshape, spread, with_strides
from hubel.tracing.fields.moves import Taps, contract, mix, reduce, unfold, union, window
from hubel.tracing.fields.step import Step

Positions = NDArray[np.int64]


def per_axis(given: Any, rank: int, default: int = 1) -> tuple[int, ...]:
    """Return one number an axis from a number, a list of one, a full list or nothing."""
    if given is None or (isinstance(given, (list, tuple)) and not given):
        return (default,) * rank
    many = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    return many * rank if len(many) == 1 else many


@lru_cache(maxsize=4096)
def sliding(units: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """Return what each unit of a sliding window reads: unit·stride − padding + tap·dilation."""
    starts = np.arange(units, dtype=np.int64)[:, None] * stride - padding
    return starts + np.arange(kernel, dtype=np.int64)[None, :] * dilation


@lru_cache(maxsize=1024)
def spreading(
    units: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[Taps, Taps]:
    """Return what each unit of a transposed convolution reads, nominally and really.

    Unit o reads input i by tap j where o = i·stride − padding + j·dilation. Units between which no
    tap falls read nothing.
    """
    sums = np.arange(units, dtype=np.int64)[:, None] + padding
    sums = sums - np.arange(kernel, dtype=np.int64)[None, :] * dilation
    fits = sums % stride == 0
    inputs = sums // stride
    chosen = inputs[np.arange(units), fits.argmax(axis=1)][:, None]
    nominal = np.where(fits, inputs, chosen)
    real = np.where(fits, inputs, np.where(fits.any(axis=1, keepdims=True), chosen, -1))
    return nominal, real


def slide(
    fields: FieldMap,
    dim: int,
    units: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int = 1,
) -> FieldMap:
    """Slide a window along a dimension."""
    if kernel == stride == 1 and padding == 0 and units == fields.shape[dim]:
        return fields
    return window(fields, dim, sliding(units, kernel, stride, padding, dilation), stride)


def convolution(step: Step) -> FieldMap:
    """Convolve: each axis by its kernel; channels within their group."""
    given = step.operation.arguments
    fields = step.field("input")
    rank = len(step.out_shape) - 2
    kernel = step.shape_of(given["weight"])[2:]
    stride = per_axis(given.get("stride"), rank)
    padding = per_axis(given.get("padding"), rank, 0)
    dilation = per_axis(given.get("dilation"), rank)
    fields = _channels(fields, given.get("groups") or 1, step.out_shape[1])
    for axis in range(rank):
        units, dim = step.out_shape[2 + axis], 2 + axis
        one = (kernel[axis], stride[axis], padding[axis], dilation[axis])
        if given.get("transposed"):
            nominal, real = spreading(units, *one)
            fields = window(fields, dim, nominal, 1 / stride[axis], real)
        else:
            fields = slide(fields, dim, units, *one)
    made = step.map_of(given["weight"])
    if made is None:
        return fields
    everything = reduce(made, range(len(made.factors)), keep=True)
    return union([fields, reshape(everything, (1,) * len(fields.factors))])


def _channels(fields: FieldMap, groups: int, outputs: int) -> FieldMap:
    """Let each output channel see the input channels of its group."""
    if groups == 1:
        return contract(fields, 1, outputs)
    places = fields.places(1)
    if not any(
        axis.steps[place] or axis.rows.shape[1 + place] > 1
        for axis in fields.axes
        for place in places
    ):
        return spread(fields, 1, outputs)
    batch, channels, *axes = fields.shape
    fields = reshape(fields, (batch, groups, channels // groups, *axes))
    fields = contract(fields, 2, outputs // groups)
    return reshape(fields, (batch, outputs, *axes))


def pooling(step: Step) -> list[FieldMap]:
    """Pool by a sliding window (the last one may be partial: ceil_mode)."""
    fields = step.first()
    kernel_given = step.argument("kernel_size")
    rank = _rank(step)
    kernel = per_axis(kernel_given, rank)
    stride = per_axis(step.operation.arguments.get("stride") or kernel_given, rank)
    padding = per_axis(step.argument("padding"), rank, 0)
    dilation = per_axis(step.argument("dilation"), rank)
    for axis in range(rank):
        dim = len(fields.factors) - rank + axis
        units = step.out_shape[dim]
        fields = slide(
            fields, dim, units, kernel[axis], stride[axis], padding[axis], dilation[axis]
        )
    return [fields] * len(step.out_shapes)


def _rank(step: Step) -> int:
    """Return over how many axes an operation works, from the digit in its name."""
    return next(int(letter) for letter in step.operation.kind if letter.isdigit())


def adaptive_pooling(step: Step) -> list[FieldMap]:
    """Pool unit i of `out` over the inputs from ⌊i·in/out⌋ to ⌈(i+1)·in/out⌉ − 1."""
    fields = step.first()
    rank = _rank(step)
    for dim in range(len(fields.factors) - rank, len(fields.factors)):
        length, units = fields.shape[dim], step.out_shape[dim]
        if units == 1:
            fields = reduce(fields, [dim], keep=True)
        elif units != length:
            fields = window(fields, dim, _adaptive(length, units), length / units)
    return [fields] * len(step.out_shapes)


@lru_cache(maxsize=256)
def _adaptive(length: int, units: int) -> Taps:
    """Return what each unit of an adaptive pooling reads, the last input repeated to fill up."""
    unit = np.arange(units, dtype=np.int64)
    first, end = unit * length // units, -(-(unit + 1) * length // units)
    taps = first[:, None] + np.arange(int((end - first).max()), dtype=np.int64)[None, :]
    return np.minimum(taps, end[:, None] - 1)


# Padding ------------------------------------------------------------------------------------


def constant_pad(step: Step) -> FieldMap:
    """Pad with a constant, or crop where a number is negative; the last axis stands first."""
    return _padded(step.first(), step.argument("pad", ()), _empty)


def reflection_pad(step: Step) -> FieldMap:
    """Pad with the map mirrored at its first and last unit."""
    return _padded(step.first(), step.argument("padding", ()), _mirrored)


def replication_pad(step: Step) -> FieldMap:
    """Pad with the first and the last unit."""
    return _padded(step.first(), step.argument("padding", ()), _repeated)


def _empty(_positions: Positions, _length: int) -> None:
    """Say that padding holds nothing."""


def _repeated(positions: Positions, length: int) -> Positions:
    """Return positions held at the ends of a map."""
    return positions.clip(0, length - 1)


def _mirrored(positions: Positions, length: int) -> Positions:
    """Return positions mirrored into a map."""
    last = length - 1
    return last - np.abs(last - np.abs(positions))


def _padded(
    fields: FieldMap, pads: Sequence[int], real: Callable[[Positions, int], Positions | None]
) -> FieldMap:
    """Pad from the last axis backwards; `real` says what padding really holds."""
    rank = len(fields.factors)
    for place in range(len(pads) // 2):
        dim, before, after = rank - 1 - place, pads[2 * place], pads[2 * place + 1]
        if before == after == 0:
            continue
        length = fields.shape[dim]
        positions = np.arange(-before, length + after, dtype=np.int64)[:, None]
        fields = window(fields, dim, positions, 1.0, real(positions, length))
    return fields


# Unfolding ----------------------------------------------------------------------------------


def im2col(step: Step) -> FieldMap:
    """Lay out windows: (n, c, h, w) to (n, c·kh·kw, units)."""
    fields = step.field("self")
    kernel = per_axis(step.argument("kernel_size"), 2)
    stride, dilation = (per_axis(step.argument(name), 2) for name in ("stride", "dilation"))
    padding = per_axis(step.argument("padding"), 2, 0)
    batch, channels, *lengths = fields.shape
    units: list[int] = []
    for axis in range(2):
        covered = dilation[axis] * (kernel[axis] - 1) + 1
        units.append((lengths[axis] + 2 * padding[axis] - covered) // stride[axis] + 1)
        taps = sliding(units[axis], kernel[axis], stride[axis], padding[axis], dilation[axis])
        fields = unfold(fields, 2 + axis, taps, stride[axis], dilation[axis])
    fields = reshape(fields, (batch, channels, units[0], kernel[0], units[1], kernel[1]))
    fields = permute(fields, (0, 1, 3, 5, 2, 4))
    return reshape(fields, (batch, channels * kernel[0] * kernel[1], units[0] * units[1]))


def col2im(step: Step) -> FieldMap:
    """Add overlapping windows up: (n, c·kh·kw, units) to (n, c, h, w)."""
    fields = step.field("self")
    kernel = per_axis(step.argument("kernel_size"), 2)
    stride, dilation = (per_axis(step.argument(name), 2) for name in ("stride", "dilation"))
    padding = per_axis(step.argument("padding"), 2, 0)
    size = step.argument("output_size")
    units = [
        (size[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1
        for a in range(2)
    ]
    batch, channels = fields.shape[0], fields.shape[1] // (kernel[0] * kernel[1])
    fields = reshape(fields, (batch, channels, *kernel, *units))
    between = [_step_between(fields, 4 + a) / stride[a] for a in range(2)]
    fields = permute(fields, (0, 1, 4, 2, 5, 3))
    fields = reshape(fields, (batch, channels, units[0] * kernel[0], units[1] * kernel[1]))
    for a in range(2):
        sums = np.arange(size[a])[:, None] + padding[a] - np.arange(kernel[a])[None] * dilation[a]
        unit = sums // stride[a]
        fits = (sums % stride[a] == 0) & (unit >= 0) & (unit < units[a])
        real = np.where(fits, unit * kernel[a] + np.arange(kernel[a])[None], -1)
        inside = np.where(fits, real, real.max(axis=1, keepdims=True).clip(0))
        fields = window(fields, 2 + a, inside, kernel[a] / stride[a], real)
    strides = [one or axis.stride for one, axis in zip(between, fields.axes, strict=False)]
    return with_strides(fields, strides) if len(strides) == len(fields.axes) else fields


def _step_between(fields: FieldMap, dim: int) -> float:
    """Return the step of whichever axis of the picture lies on a dimension."""
    steps = [axis.steps[place] for axis in fields.axes for place in fields.places(dim)]
    return next((abs(step) for step in steps if step), 0.0)


def unfold_dim(step: Step) -> FieldMap:
    """Lay out the windows of one dimension as a new last dimension."""
    fields = step.field("self")
    rank = len(fields.factors)
    dim = step.argument("dimension") % rank
    size, jump = step.argument("size"), step.argument("step")
    units = (fields.shape[dim] - size) // jump + 1
    fields = unfold(fields, dim, sliding(units, size, jump, 0, 1), jump, 1)
    shape = fields.shape
    fields = reshape(fields, (*shape[:dim], units, size, *shape[dim + 1 :]))
    return permute(fields, (*range(dim + 1), *range(dim + 2, rank + 1), dim + 1))


# Positions that depend on the data ----------------------------------------------------------


def sampled(step: Step) -> FieldMap:
    """Read where the data point (deformable convolution, sampling on a grid): possibly anywhere."""
    step.note("reads where its offsets point; each unit is counted as seeing the whole map")
    fields = step.field("input")
    rank = len(step.out_shape) - 2
    fields = contract(mix(fields, range(2, 2 + rank)), 1, step.out_shape[1])
    parts = [_resized(fields, step.out_shape)]
    for name in ("offset", "mask", "grid"):
        made = step.map_of(step.operation.arguments.get(name))
        if made is not None:
            parts.append(
                reshape(reduce(made, range(len(made.factors)), keep=True), (1,) * (2 + rank))
            )
    return union(parts)


def _resized(fields: FieldMap, shape: Sequence[int]) -> FieldMap:
    """Give dimensions, whose units all see the same, other lengths."""
    for dim, length in enumerate(shape):
        if fields.shape[dim] != length:
            positions = np.zeros((length, 1), dtype=np.int64)
            fields = window(fields, dim, positions, fields.shape[dim] / length)
    return fields
