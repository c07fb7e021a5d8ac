"""The gain of paired trainings: its value, its interval, and how often the interval is right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hubel.training.gains import gain_of, level_of

T_2 = 4.302652729911275
"""97.5% quantile of Student's t with 2 degrees of freedom."""


def test_the_interval_joins_seeds_and_pictures() -> None:
    before = np.zeros((3, 4))
    after = np.array([[1.0, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]])
    gain = gain_of(before, after)
    assert gain.value == pytest.approx(9 / 12)
    seeds = np.array([0.5, 0.75, 1.0])  # Means a pair.
    pictures = np.array([1, 2 / 3, 1, 1 / 3])  # Means a picture.
    of_seeds = T_2 * math.sqrt(sum((seeds - 0.75) ** 2) / 2 / 3)
    of_pictures = 1.959963984540054 * math.sqrt(sum((pictures - 0.75) ** 2) / 3 / 4)
    assert gain.high - gain.value == pytest.approx(math.sqrt(of_seeds**2 + of_pictures**2))
    assert gain.value - gain.low == pytest.approx(gain.high - gain.value)


def test_a_change_that_changes_nothing_has_no_gain() -> None:
    scores = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    gain = gain_of(scores, scores.copy())
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)


def test_one_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="2 pairs or more"):
        gain_of(np.zeros((1, 4)), np.ones((1, 4)))


def test_tables_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="of the same shape"):
        gain_of(np.zeros((2, 4)), np.ones((2, 5)))


@pytest.mark.parametrize("strength", [0.0, 0.15, 0.8])
def test_the_interval_holds_the_truth_as_often_as_it_says(strength: float) -> None:
    """Each seed and each picture has an effect of its own; both are drawn anew each time."""
    random = np.random.default_rng(1)

    def rights(shift: np.ndarray, pictures: np.ndarray) -> np.ndarray:
        chances = 1 / (1 + np.exp(-(pictures[None] + shift[:, None])))
        return (random.random(chances.shape) < chances).astype(np.float64)

    many, seeds = random.normal(0.5, 1.2, 200_000), random.normal(0, strength, (2, 200_000))
    stronger = many + random.normal(0.6, 0.5, 200_000)
    sigmoid = lambda values: 1 / (1 + np.exp(-values))  # noqa: E731
    truth = float((sigmoid(stronger + seeds[0]) - sigmoid(many + seeds[1])).mean())
    inside = 0
    times = 600
    for _ in range(times):
        easy = random.normal(0.5, 1.2, 150)
        change = random.normal(0.6, 0.5, 150)
        shifts = random.normal(0, strength, (2, 3))
        gain = gain_of(rights(shifts[0], easy), rights(shifts[1], easy + change))
        inside += gain.low <= truth <= gain.high
    # Three deviations of a share of 95% below it.
    assert inside / times > 0.95 - 3 * math.sqrt(0.05 * 0.95 / times)


def test_several_attempts_together_keep_the_error() -> None:
    assert level_of(0) == pytest.approx(0.95)
    wrong = sum((1 - level_of(attempt)) / 2 for attempt in range(20))
    assert wrong < 0.05
