"""Numbers in words."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.report import data_view, words
from hubel.report.words import (
    chance,
    duration,
    interval,
    listing,
    measures,
    number,
    percent,
    setting,
)
from hubel.results import Metric


@pytest.mark.parametrize("module", [words, data_view])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@given(st.floats(0, 1))
def test_a_percentage_is_near_its_share_and_never_claims_all_or_nothing(share):
    text = percent(share)
    if text in ("0%", "100%"):
        assert min(share, 1 - share) < 1e-9
    elif not text.startswith(("under", "over")):
        assert abs(float(text.removesuffix("%")) / 100 - share) <= 0.0005 + 1e-12


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.99996, "99.996%"),
        (1e-9 * 2, "under 0.0001%"),
        (1 - 2e-9, "over 99.9999%"),
        (math.nan, "–"),
    ],
)
def test_percentages_at_the_ends(share, text):
    assert percent(share) == text


@given(st.floats(-9e8, 9e8, allow_subnormal=False).filter(lambda v: v == 0 or abs(v) > 1e-4))
def test_a_number_is_right_to_three_digits(value):
    read = float(number(value).replace(",", "").replace("−", "-"))
    assert abs(read - value) <= abs(value) * 0.0051


@pytest.mark.parametrize(
    ("value", "text"), [(math.inf, "–"), (0.0, "0"), (3.2e-7, "3.20×10^−7"), (-2.5, "−2.5")]
)
def test_numbers_at_the_ends(value, text):
    assert number(value) == text


def test_intervals():
    metric = Metric(value=0.98, low=0.964, high=0.992)
    assert interval(metric, share=True) == "96.4–99.2%"
    assert interval(Metric(value=2.3, low=2.1, high=2.6), share=False) == "2.1 to 2.6"
    assert interval(Metric(value=0.9, low=math.nan, high=1.0), share=True) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (86_400, "24 h 00 min"),
        (math.nan, "–"),
    ],
)
def test_durations_at_the_ends(seconds, text):
    assert duration(seconds) == text


def test_lists_and_chances():
    assert [listing(n) for n in ([], ["a"], ["a", "b"])] == ["", "a", "a and b"]
    assert chance(math.nan) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "yes"),
        (False, "no"),
        (0.00014142135, "0.000141421"),
        (64, "64"),
        ("", "(empty)"),
        (["safe", "mirror"], "safe, mirror"),
        ([], "none"),
        ({}, "none"),
        ({"width": 32}, "width: 32"),
        (math.nan, "–"),
        (b"x", "\"b'x'\""),
    ],
)
def test_settings(value, text):
    assert setting(value) == text


def test_an_unknown_metric_keeps_its_name():
    assert measures("novelty") == "novelty"
