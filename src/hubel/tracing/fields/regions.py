"""From field maps to what people read: sizes, strides, starts, and the region of one unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubel.errors import UsageError, close_matches
from hubel.results.check import Field
from hubel.tracing.fields.field_map import NOTHING, AxisMap, FieldMap
from hubel.tracing.fields.propagation import Propagation
from hubel.tracing.trace import ModuleCall, Trace

ROUNDING = 1e-6
"""Fields that strides of a fraction put this near to a whole pixel end there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A box of the picture, one pair of numbers an axis: `start` is in it, `stop` is not."""

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels along each axis; 0 where the unit sees nothing."""
        return tuple(stop - start for start, stop in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, ...]:
        """The box as an index: `picture[..., *region.slices]`."""
        return tuple(slice(*ends) for ends in zip(self.start, self.stop, strict=True))


def field_of(fields: FieldMap | None) -> Field | None:
    """Return size, stride and start of a map's units, or None where they see no picture.

    The numbers are nominal: the field of a unit goes on inside padding, and where the sizes of the
    units differ (adaptive pooling, transposed convolution), the size is the largest.
    """
    if fields is None or not fields.axes or any(axis.is_blind for axis in fields.axes):
        return None
    sizes, starts = zip(*(_nominal(axis) for axis in fields.axes), strict=True)
    return Field(
        size=sizes,
        stride=tuple(axis.stride for axis in fields.axes),
        start=starts,
        whole=tuple(axis.whole for axis in fields.axes),
    )


def _nominal(axis: AxisMap) -> tuple[int, float]:
    """Return the largest size of an axis's fields, and the first pixel of the first unit's."""
    if axis.whole:
        return axis.pixels, 0.0
    first, last = axis.rows[2], axis.rows[3]
    size = 1 - float((first + last).min())
    corner = tuple(0 if step else slice(None) for step in axis.steps)
    start = float(np.min(first[corner]))
    if start >= NOTHING / 2:  # the first unit sees nothing: a class token
        start = float(first.min())
    return math.ceil(size - ROUNDING), start


def dimensions_of(fields: FieldMap) -> tuple[int | None, ...]:
    """Return for each axis of the picture the dimension of the tensor on which it lies, or None."""
    return tuple(
        next(
            (
                dim
                for dim in range(len(fields.factors))
                if any(axis.steps[place] for place in fields.places(dim))
            ),
            None,
        )
        for axis in fields.axes
    )


def region_of(fields: FieldMap, unit: Sequence[int], *, clipped: bool) -> Region:
    """Return the smallest box of the picture that holds all that a unit sees.

    `unit` is an index into the dimensions on which the picture's axes lie, or into all dimensions
    but the batch's. Clipped, the box is exact and inside the picture; otherwise it is the nominal
    one, which goes on inside padding.
    """
    shape = fields.shape
    lying = sorted({dim for dim in dimensions_of(fields) if dim is not None})
    if len(unit) == len(shape) - 1:
        dims = list(range(1, len(shape)))
    elif len(unit) == len(lying):
        dims = lying
    else:
        raise UsageError(
            f"A unit of a tensor of {_written(shape)} is named by {len(shape) - 1} numbers, or by "
            f"{len(lying)} on the picture's axes, not by {len(unit)}."
        )
    index: list[int | slice] = [slice(None)] * len(fields.lengths)
    for dim, at in zip(dims, unit, strict=True):
        if not 0 <= at < shape[dim]:
            raise UsageError(
                f"Unit {tuple(unit)} lies outside of a tensor of {_written(shape)}: "
                f"dimension {dim} has {shape[dim]} places, from 0."
            )
        parts = np.unravel_index(at, fields.factors[dim])
        for place, part in zip(fields.places(dim), parts, strict=True):
            index[place] = int(part)
    ends = [_ends(axis, index, clipped=clipped) for axis in fields.axes]
    if any(stop <= start for start, stop in ends):
        ends = [(0, 0)] * len(ends)
    return Region(start=tuple(one[0] for one in ends), stop=tuple(one[1] for one in ends))


def _ends(axis: AxisMap, index: Sequence[int | slice], *, clipped: bool) -> tuple[int, int]:
    """Return the first pixel of a unit's field and the one after its last."""
    rows = axis.rows[:2] if clipped else axis.rows[2:]
    own = [
        0 if isinstance(at, int) and length == 1 else at
        for at, length in zip(index, rows.shape[1:], strict=True)
    ]
    first, last = (float(np.min(row[tuple(own)])) for row in rows)
    if first >= NOTHING / 2:
        return 0, 0
    return math.floor(first + ROUNDING), math.ceil(1 - last - ROUNDING)


def find_call(trace: Trace, layer: str, call: int) -> ModuleCall:
    """Return a call of a layer by its path."""
    calls = [one for one in trace.calls if one.path == layer]
    if not calls:
        known = dict.fromkeys(one.path for one in trace.calls if one.path)
        raise UsageError(f"{trace.model} runs no layer {layer!r}: {close_matches(layer, known)}")
    if not 0 <= call < len(calls):
        raise UsageError(
            f"{layer or trace.model} is called {len(calls)} times, from 0: there is no call {call}."
        )
    return calls[call]


def layer_region(
    trace: Trace,
    propagation: Propagation,
    layer: str,
    unit: Sequence[int],
    *,
    call: int,
    clipped: bool,
) -> Region:
    """Return the region of a unit of a layer's first output."""
    found = find_call(trace, layer, call)
    fields = propagation.maps[found.outputs[0]] if found.outputs else None
    if fields is None or not fields.axes:
        blamed = ", ".join(propagation.not_analysed)
        reason = f"no rule for {blamed}" if blamed else "its output lies on no axis of a picture"
        raise UsageError(f"The field of {layer or trace.model} is not known: {reason}.")
    return region_of(fields, unit, clipped=clipped)


def _written(shape: Sequence[int]) -> str:
    """Return a shape as people write it."""
    return "×".join(map(str, shape))
