"""Numbers as people read them."""

import doctest
import math
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.report import data_view, words
from hubel.report.charts import svg
from hubel.report.words import chance, duration, interval, number, percent, setting
from hubel.results import Metric


@pytest.mark.parametrize("module", [words, svg, data_view], ids=lambda m: m.__name__)
def test_the_examples_are_true(module: ModuleType) -> None:
    tried = doctest.testmod(module)
    assert tried.attempted
    assert not tried.failed


@given(st.floats(0, 1))
def test_a_percentage_is_right_and_whole_only_where_the_share_is(share: float) -> None:
    text = percent(share)
    if text in {"0%", "100%"}:
        assert min(share, 1 - share) < 1e-9
    elif text[0].isdigit():
        assert float(text[:-1]) == pytest.approx(share * 100, abs=0.0501)
        assert 0 < float(text[:-1]) < 100


def test_rounding_of_sums_is_not_shown() -> None:
    assert percent(1 - 1e-12) == "100%"
    assert percent(-1e-12) == "0%"
    assert percent(1 - 1e-8) == "over 99.9999%"


@given(st.floats(0, 1))
def test_a_probability_is_never_certain(value: float) -> None:
    assert chance(value) not in {"0.0%", "100.0%"}


@given(st.floats(1e-3, 1e8))
def test_numbers_keep_their_digits(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.006)


def test_what_is_not_a_number_is_a_dash() -> None:
    for show in (percent, chance, number, duration):
        assert [show(math.nan), show(math.inf)] == ["–", "–"]
    assert interval(Metric(value=1, low=math.nan, high=1), share=True) == "–"


def test_large_and_small_numbers_have_powers() -> None:
    assert number(1.5e12) == "1.50×10^12"
    assert number(-2e-7) == "−2.00×10^−7"


def test_settings_are_shown_as_they_are_written() -> None:
    values = [None, True, 0.1 + 0.2, 3, "", ["a", 1], {"k": None}, [], [(64, 8), [3, 8]]]
    shown = ["none", "yes", "0.3", "3", "(empty)", "a, 1", "k: none", "none", "64, 8; 3, 8"]
    assert [setting(v) for v in values] == shown
