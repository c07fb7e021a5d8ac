import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from hubel.training.intervals import bootstrap, mean_of, wilson


@given(st.integers(1, 5000), st.data())
def test_wilson_is_scipys_and_holds_the_value(total, data):
    successes = data.draw(st.integers(0, total))
    metric = wilson(successes, total)
    expected = binomtest(successes, total).proportion_ci(0.95, method="wilson")
    assert metric.value == successes / total
    assert 0 <= metric.low <= metric.value <= metric.high <= 1
    assert metric.low == pytest.approx(expected.low, abs=1e-9)
    assert metric.high == pytest.approx(expected.high, abs=1e-9)


@pytest.mark.parametrize(("share", "total"), [(0.5, 40), (0.9, 100), (0.98, 270)])
def test_wilson_covers_the_true_proportion(share, total):
    # Exact coverage: every outcome weighted by its probability, computed here by hand.
    covered = 0.0
    for successes in range(total + 1):
        metric = wilson(successes, total)
        if metric.low <= share <= metric.high:
            covered += (
                math.comb(total, successes) * share**successes * (1 - share) ** (total - successes)
            )
    assert 0.92 < covered < 0.98


def test_wilson_of_nothing_is_not_a_number():
    metric = wilson(0, 0)
    assert math.isnan(metric.value)
    assert math.isnan(metric.low)
    assert math.isnan(metric.high)


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    values = np.random.default_rng(3).normal(2.0, 1.0, 400)
    metric = bootstrap(mean_of(values), 400, seed=0, resamples=4000)
    half = 1.96 * values.std() / math.sqrt(400)
    assert metric.value == pytest.approx(values.mean())
    assert metric.low == pytest.approx(values.mean() - half, abs=0.012)
    assert metric.high == pytest.approx(values.mean() + half, abs=0.012)


def test_bootstrap_covers_a_mean():
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        metric = bootstrap(mean_of(generator.exponential(1.0, 60)), 60, seed=seed, resamples=300)
        covered += metric.low <= 1.0 <= metric.high
    assert 175 <= covered <= 199


def test_bootstrap_depends_on_its_seed_alone(monkeypatch):
    values = np.random.default_rng(1).normal(size=50)
    first = bootstrap(mean_of(values), 50, seed=7)
    assert bootstrap(mean_of(values), 50, seed=7) == first
    assert bootstrap(mean_of(values), 50, seed=8) != first


def test_bootstrap_is_the_same_whatever_is_held_at_once(monkeypatch):
    values = np.random.default_rng(1).normal(size=50)
    whole = bootstrap(mean_of(values), 50, seed=7)
    monkeypatch.setattr("hubel.training.intervals.WEIGHTS_AT_ONCE", 333)
    parts = bootstrap(mean_of(values), 50, seed=7)
    assert parts.low == pytest.approx(whole.low, rel=1e-12)
    assert parts.high == pytest.approx(whole.high, rel=1e-12)


def test_bootstrap_weights_add_up_to_the_pictures():
    seen = []

    def statistic(weights):
        seen.append(weights)
        return weights[:, 0]

    bootstrap(statistic, 30, seed=0, value=1.0, resamples=50)
    weights = np.concatenate(seen)
    assert weights.shape == (50, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.max() > 1


def test_bootstrap_is_widened_to_hold_the_value():
    metric = bootstrap(lambda weights: np.full(len(weights), 5.0), 10, seed=0, value=3.0)
    assert (metric.low, metric.value, metric.high) == (3.0, 3.0, 5.0)


def test_bootstrap_leaves_out_undefined_resamples():
    def first_only(weights):
        return np.where(weights[:, 0] > 0, 1.0, math.nan)

    metric = bootstrap(first_only, 5, seed=0)
    assert (metric.low, metric.high) == (1.0, 1.0)
    metric = bootstrap(lambda weights: np.full(len(weights), math.nan), 5, seed=0, value=1.0)
    assert math.isnan(metric.low)


@pytest.mark.parametrize("pictures", [0, 1])
def test_bootstrap_of_too_few_gives_no_interval(pictures):
    metric = bootstrap(mean_of(np.ones(pictures)), pictures, seed=0)
    assert math.isnan(metric.low)
    assert math.isnan(metric.high)
    assert math.isnan(metric.value) == (pictures == 0)
