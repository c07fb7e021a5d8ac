"""Numbers at the edge of what floating point holds."""

import math

import pytest

from hubel.report.charts.scale import Scale, extent


@pytest.mark.parametrize("values", [[1e308, -1e308], [1.7e308], [1e308, 0.0], [-1e300, 1e300]])
def test_an_extent_and_its_ticks_are_finite(values):
    low, high = extent(values)
    assert math.isfinite(high - low)
    assert high > low
    assert all(map(math.isfinite, Scale(low=low, high=high, start=0, end=1).ticks()))
