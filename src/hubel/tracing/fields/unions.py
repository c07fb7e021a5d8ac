"""Field rules of operations where units meet: sums, products, normalisation, attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hubel.tracing.fields.field_map import (
    FieldMap,
    dense,
    expand,
    insert,
    merge,
    reshape,
    spread,
)
from hubel.tracing.fields.moves import contract, misalignment, mix, reduce, take, union
from hubel.tracing.fields.step import Step


def elementwise(step: Step) -> list[FieldMap]:
    """Join tensors element by element, dimensions of length 1 broadcast."""
    rank = len(step.out_shape)
    known = [one for value in step.operation.inputs if (one := step.maps[value]) is not None]
    parts = [_ranked(one, rank) for one in known]
    if len(parts) > 1 and (text := misalignment(parts)):
        step.note(f"joins branches with {text}")
    return [expand(union(parts), step.out_shape)] * len(step.out_shapes)


def _ranked(fields: FieldMap, rank: int) -> FieldMap:
    """Add dimensions of length 1 in front."""
    while len(fields.factors) < rank:
        fields = insert(fields, 0)
    return fields


def gated(step: Step) -> FieldMap:
    """Multiply one half of a dimension by the sigmoid of the other."""
    fields = step.first()
    dim = step.argument("dim", -1) % len(fields.factors)
    half = fields.shape[dim] // 2
    first = take(fields, dim, np.arange(half), 1.0)
    return union([first, take(fields, dim, np.arange(half, 2 * half), 1.0)])


# Reductions ---------------------------------------------------------------------------------


def reduced(step: Step) -> list[FieldMap]:
    """Reduce dimensions, all of them where none is named."""
    fields = step.first()
    if "other" in step.operation.arguments:  # max and min of two tensors
        return elementwise(step)
    dims = step.dims("dim", len(fields.factors))
    keep = len(step.out_shape) == len(fields.factors)
    return [reduce(fields, dims, keep=keep)] * len(step.out_shapes)


def normalised(step: Step) -> list[FieldMap]:
    """Let each unit see its whole dimension (softmax, sorting)."""
    fields = step.first()
    dim = step.argument("dim", -1) % len(fields.factors)
    mixed = mix(fields, [dim])
    if step.out_shape[dim] != fields.shape[dim]:  # the k largest
        mixed = contract(mixed, dim, step.out_shape[dim])
    return [mixed] * len(step.out_shapes)


def accumulated(step: Step) -> list[FieldMap]:
    """Let each unit see the units before it and itself."""
    fields = step.first()
    dim = step.argument("dim") % len(fields.factors)
    fields = merge(fields, dim)
    place, length = fields.place(dim), fields.factors[dim][0]
    axes = tuple(
        replace(
            axis,
            rows=np.minimum.accumulate(dense(axis.rows, place, length), axis=1 + place),
            regular=False,
        )
        if axis.rows.shape[1 + place] > 1
        else axis
        for axis in fields.axes
    )
    return [FieldMap(fields.factors, axes)] * len(step.out_shapes)


def scattered(step: Step) -> FieldMap:
    """Write units to the places along a dimension that an index names."""
    given, shape = step.operation.arguments, step.out_shape
    dim = step.argument("dim") % len(shape)
    parts = [] if (own := step.map_of(given["self"])) is None else [own]
    for name in ("index", "src"):
        written = step.map_of(given.get(name))
        if written is None:
            continue
        others = [at for at in range(len(shape)) if at != dim and written.shape[at] != shape[at]]
        parts.append(contract(reduce(written, others, keep=True), dim, shape[dim]))
    step.note("writes units by an index; each is counted as seeing what all of them see")
    return expand(union(parts), shape)


def transformed(step: Step) -> FieldMap:
    """Transform dimensions to frequencies or back."""
    fields = mix(step.first(), step.dims("dim", len(step.first().factors)))
    for dim, length in enumerate(step.out_shape):
        if fields.shape[dim] != length:
            fields = spread(fields, dim, length)
    return fields


def layer_norm(step: Step) -> list[FieldMap | None]:
    """Normalise over the last dimensions."""
    fields = step.first()
    rank = len(fields.factors)
    count = len(step.argument("normalized_shape"))
    mixed = mix(fields, range(rank - count, rank))
    return [mixed, *[None] * (len(step.out_shapes) - 1)]


def group_norm(step: Step) -> list[FieldMap | None]:
    """Normalise the channels of each group over all places."""
    fields = step.first()
    batch, channels, *axes = fields.shape
    groups = step.argument("group")
    split = reshape(fields, (batch, groups, channels // groups, *axes))
    mixed = reshape(mix(split, range(2, 3 + len(axes))), fields.shape)
    return [mixed, *[None] * (len(step.out_shapes) - 1)]


def batch_norm(step: Step) -> list[FieldMap | None]:
    """Normalise each channel: by constants in evaluation mode, over all places in training mode."""
    fields = step.field("input")
    fixed = step.operation.operator.partition(".")[2].startswith(
        ("_native_batch_norm_legit_no_training", "_batch_norm_no_update")
    )
    if not fixed and step.argument("training", default=True):
        fields = mix(fields, [dim for dim in range(len(fields.factors)) if dim != 1])
    return [fields, *[None] * (len(step.out_shapes) - 1)]


# Matrix products ----------------------------------------------------------------------------


def matrix_product(step: Step) -> FieldMap:
    """Multiply (…, n, k) by (…, k, m), with a term to add where there is one."""
    given = step.operation.arguments
    left, right = MATRICES[step.operation.kind]
    parts: list[FieldMap] = []
    rank = len(step.out_shape)
    if (first := step.map_of(given[left])) is not None:
        parts.append(_ranked(contract(first, len(first.factors) - 1, 1), rank))
    if (second := step.map_of(given[right])) is not None:
        parts.append(_ranked(contract(second, len(second.factors) - 2, 1), rank))
    # `self` is the term to add where it is not the left matrix
    if left != "self" and (term := step.map_of(given.get("self"))) is not None:
        parts.append(_ranked(term, rank))
    return expand(union(parts), step.out_shape)


MATRICES = {
    "mm": ("self", "mat2"),
    "bmm": ("self", "mat2"),
    "matmul": ("self", "other"),
    "addmm": ("mat1", "mat2"),
    "baddbmm": ("batch1", "batch2"),
}
"""Names of the two matrices in each operator's schema."""


def linear(step: Step) -> FieldMap:
    """Multiply the last dimension by a matrix."""
    fields = step.field("input")
    return contract(fields, len(fields.factors) - 1, step.out_shape[-1])


def attention(step: Step) -> list[FieldMap | None]:
    """Let each query see itself, all keys and all values."""
    query, key, value = (step.field(name) for name in ("query", "key", "value"))
    rank = len(query.factors)
    tokens, width = rank - 2, rank - 1
    seen: Sequence[FieldMap] = (
        contract(query, width, 1),
        reduce(key, [tokens, width], keep=True),
        reduce(value, [tokens], keep=True),
    )
    joined = expand(union(seen), step.out_shape)
    return [joined, *[None] * (len(step.out_shapes) - 1)]
