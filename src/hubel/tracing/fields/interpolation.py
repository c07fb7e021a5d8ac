"""Field rules of interpolation: which inputs each unit of an enlarged or reduced map reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hubel.tracing.fields.field_map import FieldMap
from hubel.tracing.fields.moves import Taps, window
from hubel.tracing.fields.step import Step

ZERO_WEIGHT: Final = 1e-6
"""A tap whose share of the distance is below this has no weight; sources are exact to 1e-12."""
SCALES: Final = ("scales_d", "scales_h", "scales_w")


class _Line(NamedTuple):
    """How one axis is interpolated."""

    length: int
    units: int
    scale: float
    """Inputs from one unit to the next."""
    corners: bool
    """Whether first and last units lie on first and last inputs."""


def nearest(step: Step) -> FieldMap:
    """Copy the input at ⌊unit·scale⌋, scale being inputs per unit."""
    return _interpolated(step, _nearest)


def nearest_exact(step: Step) -> FieldMap:
    """Copy the input at ⌊(unit + 1/2)·scale⌋."""
    return _interpolated(step, _nearest_exact)


def linear(step: Step) -> FieldMap:
    """Weigh the two inputs around a unit's source; one of weight zero is not read."""
    return _interpolated(step, _two_around)


def cubic(step: Step) -> FieldMap:
    """Weigh the four inputs around a unit's source, those beyond the edge being the edge's."""
    return _interpolated(step, _four_around)


def linear_antialiased(step: Step) -> FieldMap:
    """Weigh the inputs within one scaled tent around a unit's source."""
    return _interpolated(step, lambda line: _within(line, 1.0))


def cubic_antialiased(step: Step) -> FieldMap:
    """Weigh the inputs within one scaled cubic kernel around a unit's source."""
    return _interpolated(step, lambda line: _within(line, 2.0))


def _interpolated(step: Step, taps_of: Callable[[_Line], Taps]) -> FieldMap:
    """Interpolate every axis."""
    fields = step.first()
    rank = len(fields.factors) - 2
    corners = bool(step.argument("align_corners", default=False))
    for axis in range(rank):
        dim = 2 + axis
        length, units = fields.shape[dim], step.out_shape[dim]
        given = step.argument("scales" if rank == 1 else SCALES[3 - rank + axis])
        scale = 1 / given if given else length / units
        if corners:
            scale = (length - 1) / (units - 1) if units > 1 else 0.0
        if units == length and scale == 1:
            continue
        taps = taps_of(_Line(length, units, scale, corners))
        fields = window(fields, dim, taps, scale or length)
    return fields


def _nearest(line: _Line) -> Taps:
    """Return the input that each unit copies."""
    unit = np.arange(line.units)
    if line.units == 2 * line.length:  # torch halves whole numbers there, whatever the scale
        return (unit // 2)[:, None]
    return _floored(unit.astype(np.float32), line)


def _nearest_exact(line: _Line) -> Taps:
    """Return the input that each unit copies."""
    return _floored(np.arange(line.units, dtype=np.float32) + np.float32(0.5), line)


def _floored(unit: NDArray[np.float32], line: _Line) -> Taps:
    """Return places rounded down; torch computes them in single precision."""
    places = np.floor(unit * np.float32(line.scale)).astype(np.int64)
    return places.clip(0, line.length - 1)[:, None]


def _sources(line: _Line) -> NDArray[np.float64]:
    """Return where in the input each unit lies, whole places being exact."""
    unit = np.arange(line.units, dtype=np.float64)
    source = unit * line.scale if line.corners else (unit + 0.5) * line.scale - 0.5
    near = np.rint(source)
    return np.where(np.abs(source - near) < ZERO_WEIGHT, near, source)


def _two_around(line: _Line) -> Taps:
    """Return the two inputs around each source, which stays inside of the map."""
    return _around(_sources(line).clip(0, line.length - 1), line.length, 0, 1)


def _four_around(line: _Line) -> Taps:
    """Return the four inputs around each source."""
    return _around(_sources(line), line.length, 1, 2)


def _around(source: NDArray[np.float64], length: int, before: int, after: int) -> Taps:
    """Return the inputs around each source; the nearest alone where it falls on one."""
    floor = np.floor(source)
    taps = floor[:, None] + np.arange(-before, after + 1)[None, :]
    taps = np.where((source == floor)[:, None], floor[:, None], taps)
    return taps.astype(np.int64).clip(0, length - 1)


def _within(line: _Line, reach: float) -> Taps:
    """Return the inputs whose weight is not zero in a kernel widened by the reduction."""
    centre = line.scale * (np.arange(line.units, dtype=np.float64) + 0.5)
    support = reach * max(line.scale, 1.0)
    # Input j has its weight at distance |j + 1/2 − centre|, zero at the support itself.
    first = np.ceil(centre - support - 0.5 + ZERO_WEIGHT)
    last = np.floor(centre + support - 0.5 - ZERO_WEIGHT)
    most = int((last - first).max()) + 1
    taps = np.minimum(first[:, None] + np.arange(most)[None, :], last[:, None])
    return taps.astype(np.int64).clip(0, line.length - 1)
