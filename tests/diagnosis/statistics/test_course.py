"""Windows, noise and guessing's loss, each derived in another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.diagnosis.dynamics_cases import GUESSING, case_of, fall, flat

from hubel.diagnosis.evidence.record import BatchRow
from hubel.diagnosis.statistics.course import course_of, guessing_loss, noise_of


def course(losses, **arguments):
    case = case_of(losses, **arguments)
    return course_of(case.setting, case.record)


def test_windows_are_means_of_equal_parts():
    losses = fall(150)
    found = course(losses)
    assert found.windows == pytest.approx(np.reshape(losses, (10, 15)).mean(1))
    assert found.fallen == pytest.approx(1 - np.mean(losses[-15:]) / math.log(10))


def test_short_courses_have_5_windows_and_very_short_ones_none():
    assert len(course(fall(99)).windows) == 5
    assert course(fall(19)) is None


def test_losses_that_are_not_finite_are_left_out():
    found = course([*fall(50), math.nan, math.inf])
    assert len(found.rows) == 50


def test_noise_is_that_of_neighbours_and_not_of_the_fall():
    draw = np.random.default_rng(0)
    noise = draw.normal(0, 0.1, 4000)
    assert noise_of(list(noise)) == pytest.approx(0.1, rel=0.06)
    assert noise_of(list(noise + np.linspace(50, 0, 4000))) == pytest.approx(0.1, rel=0.06)


def test_guessing_costs_the_entropy_of_the_labels():
    case = case_of(flat(30))
    assert guessing_loss(case.setting, case.record) == pytest.approx(GUESSING)
    labels = (0,) * 90 + (1,) * 10
    case.record.batches[:] = [
        BatchRow(step=1, split="train", shape=(100,), dtype="", low=0, high=1, mean=(), std=(),
                 labels=labels)
    ]  # fmt: skip
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert guessing_loss(case.setting, case.record) == pytest.approx(entropy)
    case.record.batches.clear()
    assert guessing_loss(case.setting, case.record) == pytest.approx(math.log(10))


def test_guessing_of_another_loss_is_not_known_and_the_start_takes_its_place():
    case = case_of(fall(50, 4.0), kind="mse")
    assert math.isnan(guessing_loss(case.setting, case.record))
    found = course_of(case.setting, case.record)
    assert not found.guessing
    assert found.level == pytest.approx(np.median(case.record.steps[1].loss), abs=0.3)


def test_trend_counts_standard_errors_between_the_halves():
    assert abs(course(flat(200)).trend) < 4
    assert course(fall(200)).trend > 20
