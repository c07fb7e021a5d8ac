"""Field rules of operations that move units and compute nothing: views, slices, rearrangements."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hubel.tracing.fields.field_map import (
    FieldMap,
    blind_map,
    drop,
    expand,
    insert,
    merge,
    permute,
    reshape,
    with_strides,
)
from hubel.tracing.fields.moves import (
    concatenate,
    contract,
    misalignment,
    mix,
    reduce,
    shuffle,
    take,
    union,
)
from hubel.tracing.fields.step import Step


def same(step: Step) -> list[FieldMap]:
    """Work on each element alone."""
    return [step.first()] * len(step.out_shapes)


def blind(step: Step) -> FieldMap:
    """Make a tensor of the input's shape, but of none of its numbers."""
    return blind_map(step.out_shape, step.any_map())


def copy(step: Step) -> FieldMap:
    """Overwrite a tensor by another."""
    return expand(step.field("src"), step.out_shape)


def view(step: Step) -> FieldMap:
    """Give the tensor another shape."""
    return reshape(step.first(), step.out_shape)


def restrided(step: Step) -> list[FieldMap | None]:
    """Lay strides anew; known where the tensor keeps its shape and runs on in memory row by row.

    Global average pooling does so to keep a channels-last layout.
    """
    fields = step.first()
    shape = step.out_shape
    inner = [math.prod(shape[dim + 1 :]) for dim in range(len(shape))]
    strides = step.argument("stride")
    kept = shape == fields.shape and all(
        length == 1 or stride == expected
        for length, stride, expected in zip(shape, strides, inner, strict=True)
    )
    return [fields if kept else None]


def expanded(step: Step) -> FieldMap:
    """Repeat dimensions of length 1."""
    return expand(step.first(), step.out_shape)


def permuted(step: Step) -> FieldMap:
    """Put dimensions into another order."""
    return permute(step.first(), step.argument("dims"))


def transposed(step: Step) -> FieldMap:
    """Exchange two dimensions."""
    fields = step.first()
    rank = len(fields.factors)
    order = list(range(rank))
    first, second = step.argument("dim0", 0), step.argument("dim1", rank - 1)
    order[first], order[second] = order[second], order[first]
    return permute(fields, order)


def squeezed(step: Step) -> FieldMap:
    """Remove dimensions of length 1."""
    fields = step.first()
    rank = len(fields.factors)
    chosen = step.dims("dim", rank)
    return drop(fields, [dim for dim in chosen if fields.shape[dim] == 1])


def unsqueezed(step: Step) -> FieldMap:
    """Insert a dimension of length 1."""
    fields = step.first()
    return insert(fields, step.argument("dim") % (len(fields.factors) + 1))


# Parts --------------------------------------------------------------------------------------


def part(fields: FieldMap, dim: int, start: int, end: int, jump: int = 1) -> FieldMap:
    """Cut a part out of a dimension."""
    if (start, end, jump) == (0, fields.shape[dim], 1):
        return fields
    return take(fields, dim, np.arange(start, end, jump, dtype=np.int64), jump)


def sliced(step: Step) -> FieldMap:
    """Cut a part, every `step`-th unit, out of a dimension."""
    fields = step.first()
    dim = step.argument("dim", 0) % len(fields.factors)
    span = slice(step.argument("start"), step.argument("end"), step.argument("step", 1))
    return part(fields, dim, *span.indices(fields.shape[dim]))


def selected(step: Step) -> FieldMap:
    """Take one unit out of a dimension."""
    fields = step.first()
    dim = step.argument("dim") % len(fields.factors)
    at = step.argument("index") % fields.shape[dim]
    return drop(part(fields, dim, at, at + 1), [dim])


def split(step: Step) -> list[FieldMap]:
    """Cut a dimension into parts."""
    fields = step.first()
    dim = step.argument("dim", 0) % len(fields.factors)
    parts: list[FieldMap] = []
    start = 0
    for shape in step.out_shapes:
        parts.append(part(fields, dim, start, start + shape[dim]))
        start += shape[dim]
    return parts


def unbound(step: Step) -> list[FieldMap]:
    """Take all units of a dimension apart."""
    fields = step.first()
    dim = step.argument("dim", 0) % len(fields.factors)
    return [drop(part(fields, dim, at, at + 1), [dim]) for at in range(fields.shape[dim])]


# Joins --------------------------------------------------------------------------------------


def joined(step: Step) -> FieldMap:
    """Concatenate along a dimension."""
    rank = len(step.out_shape)
    parts = [one for one in _listed(step, "tensors") if one.shape != (0,)]
    dim = step.argument("dim", 0) % rank
    if text := misalignment(parts):
        step.note(f"joins branches with {text}")
    return concatenate(parts, dim)


def stacked(step: Step) -> FieldMap:
    """Concatenate along a new dimension."""
    rank = len(step.out_shape)
    dim = step.argument("dim", 0) % rank
    return concatenate([insert(one, dim) for one in _listed(step, "tensors")], dim)


def _listed(step: Step, name: str) -> list[FieldMap]:
    """Return the maps of a list of tensors; blind ones where they do not depend on the input."""
    like = step.any_map()
    return [
        known if (known := step.map_of(one)) is not None else blind_map(step.shape_of(one), like)
        for one in step.argument(name)
    ]


# Rearrangements -----------------------------------------------------------------------------


def flipped(step: Step) -> FieldMap:
    """Turn dimensions round."""
    fields = step.first()
    for dim in step.dims("dims", len(fields.factors)):
        length = fields.shape[dim]
        fields = take(fields, dim, np.arange(length - 1, -1, -1, dtype=np.int64), -1.0)
    return fields


def rolled(step: Step) -> FieldMap:
    """Shift dimensions, the end coming in again at the front."""
    fields = step.first()
    shifts, dims = step.argument("shifts"), step.argument("dims")
    if not dims:
        return shuffled_everywhere(step)
    for shift, dim in zip(shifts, dims, strict=True):
        length = fields.shape[dim]
        fields = shuffle(fields, dim % len(fields.factors), (np.arange(length) - shift) % length)
    return fields


def repeated(step: Step) -> FieldMap:
    """Lay copies of the tensor side by side."""
    fields = step.first()
    while len(fields.factors) < len(step.out_shape):
        fields = insert(fields, 0)
    for dim, length in enumerate(step.out_shape):
        if length != fields.shape[dim]:
            fields = shuffle(fields, dim, np.arange(length) % fields.shape[dim])
    return fields


def pixel_shuffled(step: Step) -> FieldMap:
    """Turn r² channels into r × r pixels: (n, c·r², h, w) to (n, c, h·r, w·r)."""
    fields = step.first()
    batch, channels, height, width = fields.shape
    r = step.argument("upscale_factor")
    fields = reshape(fields, (batch, channels // r**2, r, r, height, width))
    fields = permute(fields, (0, 1, 4, 2, 5, 3))
    fields = reshape(fields, (batch, channels // r**2, height * r, width * r))
    strides = [axis.stride / r if any(axis.steps) else axis.stride for axis in fields.axes]
    return with_strides(merge(merge(fields, 2), 3), strides)


def pixel_unshuffled(step: Step) -> FieldMap:
    """Turn r × r pixels into r² channels: (n, c, h·r, w·r) to (n, c·r², h, w)."""
    fields = step.first()
    batch, channels, height, width = fields.shape
    r = step.argument("downscale_factor")
    fields = reshape(fields, (batch, channels, height // r, r, width // r, r))
    fields = permute(fields, (0, 1, 3, 5, 2, 4))
    return reshape(fields, (batch, channels * r**2, height // r, width // r))


def channel_shuffled(step: Step) -> FieldMap:
    """Deal the channels of g groups out in turn."""
    fields = step.first()
    batch, channels, *axes = fields.shape
    groups = step.argument("groups")
    fields = reshape(fields, (batch, groups, channels // groups, *axes))
    fields = permute(fields, (0, 2, 1, *range(3, 3 + len(axes))))
    return reshape(fields, (batch, channels, *axes))


# Positions that the trace does not know -----------------------------------------------------


def chosen(step: Step) -> FieldMap:
    """Read a dimension at places that an index names."""
    fields = step.first()
    return _covered(step, fields, [step.argument("dim") % len(fields.factors)])


def indexed(step: Step) -> FieldMap:
    """Read several dimensions at places that indices name."""
    fields = step.first()
    indices = step.argument("indices")
    return _covered(step, fields, [dim for dim, one in enumerate(indices) if one is not None])


def shuffled_everywhere(step: Step) -> FieldMap:
    """Rearrange the whole tensor."""
    fields = step.first()
    return _covered(step, fields, list(range(len(fields.factors))))


def _covered(step: Step, fields: FieldMap, dims: Sequence[int]) -> FieldMap:
    """Let each unit that an index chooses see what any unit along those dimensions sees."""
    place_of = [place for dim in dims for place in fields.places(dim)]
    lengths = fields.lengths
    if any(axis.steps[at] and lengths[at] > 1 for axis in fields.axes for at in place_of):
        step.note("reads units by an index; each is counted as seeing what all of them see")
    fields = mix(fields, dims)
    if fields.shape == step.out_shape:
        result = fields
    elif len(fields.factors) == len(step.out_shape):
        result = fields
        for dim, length in enumerate(step.out_shape):
            if result.shape[dim] != length:
                result = contract(result, dim, length)
    else:  # Indices of several dimensions make others: what is left of the map is one union.
        everything = reduce(fields, range(len(fields.factors)), keep=True)
        flat = reshape(everything, (1,) * len(step.out_shape))
        result = expand(flat, step.out_shape)
    parts = [step.maps[value] for value in step.operation.inputs[1:]]
    ones = (1,) * len(step.out_shape)
    more = [
        reshape(reduce(one, range(len(one.factors)), keep=True), ones)
        for one in parts
        if one is not None
    ]
    return union([result, *more])
