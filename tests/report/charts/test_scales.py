"""Scales, ticks and the thinning of lines."""

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

ordinary = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)


def test_a_linear_scale_is_a_line_through_both_ends() -> None:
    scale = Scale(low=2, high=6, start=100, end=20)
    assert [scale(v) for v in (2, 4, 6)] == [100, 60, 20]


def test_a_logarithmic_scale_gives_equal_factors_equal_lengths() -> None:
    scale = Scale(low=0.01, high=100, start=0, end=4, log=True)
    assert [scale(v) for v in (0.01, 0.1, 1, 10, 100)] == pytest.approx([0, 1, 2, 3, 4])


@given(st.lists(ordinary | st.just(math.nan) | st.just(math.inf), max_size=8))
def test_a_range_holds_every_finite_value_and_is_never_empty(values: list[float]) -> None:
    low, high = extent(values)
    assert low < high
    assert all(low <= v <= high for v in values if math.isfinite(v))


def test_a_constant_lies_in_the_middle_and_nothing_gives_zero_to_one() -> None:
    assert extent([5.0, 5.0]) == (4.5, 5.5)
    assert extent([0.0]) == (-1.0, 1.0)
    assert extent([math.nan]) == (0.0, 1.0)


@given(ordinary, st.floats(1e-3, 1e6), st.integers(1, 8))
def test_ticks_are_even_multiples_inside_the_range(low: float, width: float, wanted: int) -> None:
    ticks = linear_ticks(low, low + width, wanted)
    assert len(ticks) <= wanted + 1
    assert all(low - 1e-6 * width <= t <= low + width * (1 + 1e-6) for t in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        digits = step / 10 ** math.floor(math.log10(step * 1.001))
        assert min(abs(digits - d) for d in (1, 2, 5)) < 1e-2


def test_logarithmic_scales_are_for_a_factor_of_thirty_of_positive_values() -> None:
    assert log_extent([0.1, 2.9]) is None
    assert log_extent([0.0, 100.0]) is None
    assert log_extent([]) is None
    assert log_extent([0.1, 3.1]) == pytest.approx((0.1 / 1.15, 3.1 * 1.15))


def test_logarithmic_ticks_fill_up_where_there_are_few_powers_of_ten() -> None:
    assert log_ticks(0.5, 40) == pytest.approx((0.5, 1, 2, 5, 10, 20))
    assert log_ticks(0.01, 100) == pytest.approx((0.01, 0.1, 1, 10, 100))


def test_zero_between_numbers_with_exponents_has_no_decimals() -> None:
    ticks = (0.0, 5e-8, 1e-7)
    assert [tick_text(one, ticks) for one in ticks] == ["0", "5e−8", "1e−7"]


def test_tick_labels_have_the_decimals_that_tell_them_apart() -> None:
    assert [tick_text(t, (0.0, 0.05, 0.1)) for t in (0.0, 0.05, 0.1)] == ["0.00", "0.05", "0.10"]
    assert tick_text(0.975, (0.97, 0.975, 0.98), percent=True) == "97.5%"
    assert tick_text(-2000.0, (-2000.0, 0.0)) == "−2,000"
    assert tick_text(2e-6, (0.0, 2e-6)) == "2e−6"
    assert tick_text(0.9, (0.0, 0.5, 0.9, 0.95)) == "0.90"
    assert tick_text(1e5, (1e-5, 1.0, 1e5)) == "100,000"


def test_thinning_keeps_ends_and_extremes() -> None:
    points = [(float(i), math.sin(i / 40)) for i in range(5000)]
    points[1234] = (1234.0, 9.0)
    points[4321] = (4321.0, -9.0)
    kept = thin(points, 100)
    assert len(kept) <= 100
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert {points[1234], points[4321]} <= set(kept)
    assert kept == sorted(kept)
    assert thin(points[:100], 100) == points[:100]
