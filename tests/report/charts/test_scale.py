"""Scales, ticks and thinning: positions re-derived, laws under Hypothesis, degenerate ranges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.report.charts.scale import (
    Scale,
    extent,
    linear_ticks,
    log_extent,
    log_ticks,
    thin,
    tick_text,
)

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 6))


def test_a_linear_scale_maps_by_proportion():
    scale = Scale(low=10, high=30, start=200, end=100)
    assert [scale(10), scale(15), scale(30)] == [200, 175, 100]


def test_a_logarithmic_scale_gives_each_factor_the_same_room():
    scale = Scale(low=0.01, high=100, start=0, end=80, log=True)
    assert [scale(v) for v in (0.01, 0.1, 1, 10, 100)] == pytest.approx([0, 20, 40, 60, 80])


@given(numbers, st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_are_round_even_and_inside(low, width, wanted):
    high = low + width
    ticks = linear_ticks(low, high, wanted)
    assert ticks
    slack = 1e-6 * max(abs(low), abs(high), width)
    assert low - slack <= ticks[0]
    assert ticks[-1] <= high + slack
    assert len(ticks) <= 2 * wanted + 1
    if len(ticks) > 2:
        steps = [b - a for a, b in zip(ticks, ticks[1:], strict=False)]
        assert max(steps) - min(steps) <= 1e-6 * max(abs(low), abs(high), 1)
        mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
        assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-3


def test_logarithmic_ticks_are_decades_and_get_company_where_there_are_few():
    assert log_ticks(0.009, 12) == pytest.approx((0.01, 0.1, 1, 10))
    assert log_ticks(0.9, 12) == pytest.approx((1, 2, 5, 10))


def test_tick_labels_tell_neighbours_apart():
    assert [tick_text(v, (0, 0.05, 0.1)) for v in (0, 0.05, 0.1)] == ["0.00", "0.05", "0.10"]
    assert tick_text(0.5, (0.25, 0.5, 0.75), percent=True) == "50%"
    assert tick_text(2000, (1000, 2000)) == "2,000"
    assert tick_text(-2, (-2, 0, 2)) == "−2"
    assert tick_text(2e-6, (1e-6, 2e-6)) == "2e−6"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (0, 1)),
        ([math.nan, math.inf], (0, 1)),
        ([5.0, 5.0], (4.5, 5.5)),
        ([0.0], (-1, 1)),
        ([0.0, 10.0, math.nan], (-0.5, 10.5)),
    ],
)
def test_extents_of_degenerate_values(values, expected):
    assert extent(values) == pytest.approx(expected)


def test_a_logarithmic_extent_needs_positive_values_over_a_factor_of_thirty():
    assert log_extent([0.1, 3.0]) == pytest.approx((0.1 / 1.15, 3.0 * 1.15))
    assert log_extent([0.1, 2.9]) is None
    assert log_extent([0.0, 100.0]) is None
    assert log_extent([]) is None


@given(st.lists(numbers, min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_keeps_ends_extremes_and_order(values, limit):
    points = [(float(i), v) for i, v in enumerate(values)]
    kept = thin(points, limit)
    assert len(kept) <= limit
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert [x for x, _ in kept] == sorted({x for x, _ in kept})
    assert set(kept) <= set(points)
    assert min(y for _, y in kept) == min(values)
    assert max(y for _, y in kept) == max(values)
