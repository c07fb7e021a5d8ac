"""Field rules of interpolation: which inputs each unit of an enlarged or reduced map reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.tracing.fields.field_map import FieldMap
from hubel.tracing.fields.moves import Taps, window
from hubel.tracing.fields.step import Step

ZERO_WEIGHT: Final = 1e-6
"""A tap whose share of the distance is below this has no weight; sources are exact to 1e-12."""
SCALES: Final = ("scales_d", "scales_h", "scales_w")


TapsOf = Callable[[int, int, float, bool], Taps]
"""From inputs, units, inputs per unit and align_corners to what each unit reads."""


def nearest(step: Step) -> FieldMap:
    """Copy the input at ⌊unit·scale⌋, scale being inputs per unit."""
    return _interpolated(step, _nearest)


def nearest_exact(step: Step) -> FieldMap:
    """Copy the input at ⌊(unit + 1/2)·scale⌋."""
    return _interpolated(step, _nearest_exact)


def linear(step: Step) -> FieldMap:
    """Weigh the two inputs around a unit's source; one of weight zero is not read."""
    return _interpolated(
        step,
        lambda length, units, scale, corners: _around(
            _sources(length, units, scale, corners, clamp=True), length, 0, 1
        ),
    )


def cubic(step: Step) -> FieldMap:
    """Weigh the four inputs around a unit's source, those beyond the edge being the edge's."""
    return _interpolated(
        step,
        lambda length, units, scale, corners: _around(
            _sources(length, units, scale, corners, clamp=False), length, 1, 2
        ),
    )


def linear_antialiased(step: Step) -> FieldMap:
    """Weigh the inputs within one scaled tent around a unit's source."""
    return _interpolated(
        step, lambda length, units, scale, corners: _within(length, units, scale, corners, 1.0)
    )


def cubic_antialiased(step: Step) -> FieldMap:
    """Weigh the inputs within one scaled cubic kernel around a unit's source."""
    return _interpolated(
        step, lambda length, units, scale, corners: _within(length, units, scale, corners, 2.0)
    )


def _interpolated(step: Step, taps_of: TapsOf) -> FieldMap:
    """Interpolate every axis."""
    fields = step.first()
    rank = len(fields.factors) - 2
    corners = bool(step.argument("align_corners", default=False))
    for axis in range(rank):
        dim = 2 + axis
        length, units = fields.shape[dim], step.out_shape[dim]
        name = "scales" if rank == 1 else SCALES[3 - rank + axis]
        given = step.argument(name)
        scale = 1 / given if given else length / units
        if corners:
            scale = (length - 1) / (units - 1) if units > 1 else 0.0
        if units == length and scale == 1:
            continue
        taps = taps_of(length, units, scale, corners)
        fields = window(fields, dim, taps, scale or length)
    return fields


def _nearest(length: int, units: int, scale: float, corners: bool) -> Taps:
    """Return the input that each unit copies."""
    unit = np.arange(units)
    if units == 2 * length:  # torch halves whole numbers there, whatever the scale
        return (unit // 2)[:, None]
    # torch computes the place in single precision
    return (
        np.floor(unit.astype(np.float32) * np.float32(scale))
        .astype(np.int64)
        .clip(0, length - 1)[:, None]
    )


def _nearest_exact(length: int, units: int, scale: float, corners: bool) -> Taps:
    """Return the input that each unit copies."""
    unit = np.arange(units, dtype=np.float32) + np.float32(0.5)
    return np.floor(unit * np.float32(scale)).astype(np.int64).clip(0, length - 1)[:, None]


def _sources(
    length: int, units: int, scale: float, corners: bool, *, clamp: bool
) -> NDArray[np.float64]:
    """Return where in the input each unit lies, whole places being exact."""
    unit = np.arange(units, dtype=np.float64)
    source = unit * scale if corners else (unit + 0.5) * scale - 0.5
    near = np.rint(source)
    source = np.where(np.abs(source - near) < ZERO_WEIGHT, near, source)
    return source.clip(0, length - 1) if clamp else source


def _around(source: NDArray[np.float64], length: int, before: int, after: int) -> Taps:
    """Return the inputs around each source; the nearest alone where it falls on one."""
    floor = np.floor(source)
    taps = floor[:, None] + np.arange(-before, after + 1)[None, :]
    taps = np.where((source == floor)[:, None], floor[:, None], taps)
    return taps.astype(np.int64).clip(0, length - 1)


def _within(length: int, units: int, scale: float, corners: bool, reach: float) -> Taps:
    """Return the inputs whose weight is not zero in a kernel widened by the reduction."""
    centre = scale * (np.arange(units, dtype=np.float64) + 0.5)
    support = reach * max(scale, 1.0)
    first = np.floor(centre - support + 0.5 + ZERO_WEIGHT).clip(0)
    end = np.floor(centre + support + 0.5 - ZERO_WEIGHT).clip(max=length)
    taps = first[:, None] + np.arange(math.ceil(2 * support) + 2)[None, :]
    return (
        np.minimum(taps, np.maximum(end - 1, first)[:, None]).astype(np.int64).clip(0, length - 1)
    )
