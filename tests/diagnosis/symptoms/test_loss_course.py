"""The loss: what is wrong with its course, and courses that only look like it."""

from __future__ import annotations

import math

import pytest
from tests.diagnosis.dynamics_cases import GUESSING, case_of, fall, flat, read

from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.record import Event
from hubel.diagnosis.symptom import Sign, Unknown, Well


def test_a_far_start_that_stays_far_is_an_alarm():
    sign = read("loss/initial", case_of(fall(100, 50, 10), initial=50))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.measured["distance"] == pytest.approx((50 - math.log(10)) / math.log(10))


def test_a_far_start_that_comes_down_soon_is_an_observation():
    sign = read("loss/initial", case_of(fall(100, 9, 0.3), initial=9.0, val=0.95))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_published_weights_start_below_guessing_and_are_well():
    assert isinstance(read("loss/initial", case_of(fall(100, 0.5), initial=0.4)), Well)


def test_a_start_near_guessing_is_well_even_where_nothing_is_learnt():
    assert isinstance(read("loss/initial", case_of(flat(100), initial=2.6)), Well)


def test_the_start_of_another_loss_is_unknown():
    reading = read("loss/initial", case_of(fall(100), kind="mse"))
    assert isinstance(reading, Unknown)
    assert "cross-entropy" in reading.why


def test_a_loss_that_stays_at_guessing_is_stuck():
    sign = read("loss/stagnation", case_of(flat(100)))
    assert isinstance(sign, Sign)
    assert sign.confirmed


@pytest.mark.parametrize(
    ("losses", "rates"),
    [
        (fall(100), None),
        (fall(100, 0.06, 0.05, 0.005), None),  # converged before
        ([*fall(50), *flat(100, 0.2)], [0.1] * 75 + [0.1 * (1 - t / 75) for t in range(75)]),
        (fall(200, GUESSING, 2.15, 0.02), None),  # slowly, but surely
    ],
    ids=["falls", "resumed", "rate-to-0", "slow"],
)
def test_what_falls_or_has_fallen_is_not_stuck(losses, rates):
    assert isinstance(read("loss/stagnation", case_of(losses, lr=rates)), Well)


def test_a_warm_up_or_a_short_course_is_not_called_stuck():
    rates = [0.001 * n for n in range(1, 101)]
    reading = read("loss/stagnation", case_of(flat(100), lr=rates))
    assert isinstance(reading, Unknown)
    assert "warmed up" in reading.why
    reading = read("loss/stagnation", case_of(flat(50)))
    assert isinstance(reading, Unknown)
    assert "too few" in reading.why
    few_pictures = read("loss/stagnation", case_of(flat(100, noise=0.3), pictures=4))
    assert isinstance(few_pictures, Unknown)


def test_stuck_is_an_observation_where_guessing_is_not_known_and_the_answers_are_good():
    case = case_of(flat(100, 1.0), kind="mse", accuracy=0.95, val=0.95)
    sign = read("loss/stagnation", case)
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_a_loss_that_grows_and_stays_has_diverged():
    sign = read("loss/divergence", case_of([*fall(30), *flat(70, 30.0)]))
    assert isinstance(sign, Sign)
    assert sign.confirmed


def test_a_loss_that_fell_and_is_back_at_guessing_has_diverged():
    sign = read("loss/divergence", case_of([*fall(60), *flat(60, 2.4)]))
    assert isinstance(sign, Sign)
    assert "back" in sign.what


def test_a_spike_that_is_recovered_from_is_well():
    losses = fall(120)
    losses[50:55] = [40.0] * 5
    assert isinstance(read("loss/divergence", case_of(losses)), Well)


def test_a_warm_restart_is_well():
    rates = [0.5 * (1 + math.cos(math.pi * (n % 50) / 50)) for n in range(150)]
    losses = [*fall(50), *fall(50, 1.2), *fall(50, 0.9)]
    assert isinstance(read("loss/divergence", case_of(losses, lr=rates)), Well)


def test_a_small_loss_that_grows_tenfold_is_well():
    losses = [*fall(60, end=0.001, noise=0.0003), *flat(60, 0.01, 0.003)]
    assert isinstance(read("loss/divergence", case_of(losses)), Well)


def test_jumps_beyond_the_noise_of_batches_are_an_oscillation():
    losses = [1.5 + (1.2 if n % 2 else -1.2) + 0.01 * (n % 3) for n in range(100)]
    sign = read("loss/oscillation", case_of(losses, accuracy=0.4))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.measured["swing"] == pytest.approx(2.4 / 0.6745 / math.sqrt(2) * 8 / 1.5, rel=0.1)


def test_small_batches_differ_and_do_not_oscillate():
    losses = fall(200, end=1.0, noise=0.5)
    assert isinstance(read("loss/oscillation", case_of(losses, pictures=8)), Well)


def test_a_small_loss_may_jump():
    losses = [0.05 + (0.04 if n % 2 else -0.04) for n in range(100)]
    assert isinstance(read("loss/oscillation", case_of(losses)), Well)


def test_an_oscillation_needs_the_number_of_pictures():
    assert isinstance(read("loss/oscillation", case_of(fall(100), pictures=0)), Unknown)


def test_a_loss_that_is_not_finite_names_module_and_update():
    case = case_of([*fall(10), math.nan])
    case.record.events.append(
        Event(step=11, kind=events.NON_FINITE_MODULE, where=("block.norm", "head"))
    )
    sign = read("loss/non-finite", case)
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.confidence == 1.0
    assert sign.where[0] == "block.norm"
    assert "update 11" in sign.what


def test_updates_that_a_scaler_skips_are_well():
    case = case_of(fall(100), precision="float16", loss_scaling=True)
    case.record.events += [Event(step=n, kind=events.NON_FINITE_GRADIENT) for n in (1, 2, 40)]
    assert isinstance(read("loss/non-finite", case), Well)


def test_gradients_alone_that_are_not_finite_are_an_observation_in_float32():
    case = case_of(fall(100))
    case.record.events += [Event(step=3, kind=events.NON_FINITE_GRADIENT)]
    sign = read("loss/non-finite", case)
    assert isinstance(sign, Sign)
    assert not sign.confirmed


@pytest.mark.parametrize("symptom", ["stagnation", "divergence", "oscillation"])
def test_without_a_course_nothing_is_said(symptom):
    reading = read(f"loss/{symptom}", case_of(fall(10)))
    assert isinstance(reading, Unknown)
    assert "fewer than 20" in reading.why
