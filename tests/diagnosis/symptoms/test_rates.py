"""The learning rate and what holds updates back, and look-alikes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.diagnosis.dynamics_cases import (
    SAMPLED,
    case_of,
    fall,
    flat,
    layer,
    network,
    rate_range,
    read,
    unit,
)

from hubel.diagnosis.evidence.setting import OptimizerFact
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.trials.rate_range import NO_RATE


def moving(ratio: float, losses, **arguments):
    layers = [layer(f"c{n}", ratio=ratio, gradient=0.01 * (n + 1)) for n in range(3)]
    return case_of(losses, **network(*layers), **arguments)


def varied(ratio: float, losses, size: float = 0.01, **arguments):
    """Layers whose gradients differ from sample to sample, as without clipping."""
    fact, _ = layer("a")
    rows = [
        row
        for place, step in enumerate(SAMPLED)
        for row in layer("a", ratio=ratio, gradient=size * (1 + place % 3), steps=[step])[1]
    ]
    return case_of(losses, **network((fact, rows)), **arguments)


ADAM = OptimizerFact(kind="Adam", groups=({"lr": 1e-3, "eps": 1e-8, "beta1": 0.9},))


def test_huge_updates_that_keep_the_loss_from_falling():
    sign = read("rate/too-high", moving(2.0, flat(100)))
    assert isinstance(sign, Sign)
    assert sign.confirmed


def test_the_range_test_shows_a_rate_that_the_updates_do_not():
    case = moving(0.1, flat(100), rate=rate_range(1e-4, 0.1))
    sign = read("rate/too-high", case)
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.measured["edge"] == pytest.approx(0.1)


def test_updates_that_hardly_move_the_weights_are_never_too_large():
    held = moving(1e-3, flat(100), rate=rate_range(1e-4, 0.1))
    assert isinstance(read("rate/too-high", held), Well)


def test_huge_updates_while_the_loss_falls_are_well_where_the_range_test_bears_them():
    assert isinstance(read("rate/too-high", moving(0.5, fall(100), val=0.95)), Well)
    borne = moving(0.5, fall(100), val=0.95, rate=rate_range(0.1, 10))
    assert isinstance(read("rate/too-high", borne), Well)


def test_huge_updates_that_the_range_test_does_not_bear_are_too_large_though_the_loss_falls():
    sign = read("rate/too-high", moving(0.5, fall(100), val=0.95, rate=rate_range(1e-4, 0.1)))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    harmed = read("rate/too-high", moving(0.5, flat(100), rate=rate_range(1e-4, 0.1)))
    assert sign.confidence < harmed.confidence


def test_a_range_test_that_finds_the_rate_useful_clears_ordinary_updates():
    assert isinstance(read("rate/too-high", moving(0.1, flat(100), rate=rate_range(0.1, 10))), Well)


def test_a_start_that_was_far_off_makes_the_rate_less_suspect():
    near = read("rate/too-high", moving(2.0, flat(100)))
    far = read("rate/too-high", moving(2.0, flat(100), initial=100.0))
    assert far.confidence < near.confidence


def test_tiny_updates_and_a_loss_that_does_not_fall():
    sign = read("rate/too-low", varied(1e-6, flat(100)))
    assert isinstance(sign, Sign)
    assert sign.confirmed


def test_the_range_test_confirms_or_clears_a_low_rate():
    shown = read("rate/too-low", varied(1e-3, flat(100), rate=rate_range(30, 3000)))
    assert isinstance(shown, Sign)
    assert shown.confirmed
    cleared = read("rate/too-low", varied(1e-3, flat(100), rate=rate_range(0.1, 10)))
    assert isinstance(cleared, Well)
    doubtful = read("rate/too-low", varied(1e-6, flat(100), rate=rate_range(0.1, 10)))
    assert isinstance(doubtful, Sign)
    assert not doubtful.confirmed


def test_fine_tuning_with_tiny_updates_is_well_while_the_loss_falls():
    assert isinstance(read("rate/too-low", varied(1e-5, fall(100))), Well)


def test_a_loss_that_falls_to_less_than_a_simple_classifier_reaches_has_its_range_tested():
    behind = varied(1e-3, fall(100), val=0.5, rate=rate_range(30, 3000))
    behind.__dict__["harm"] = replace(behind.harm, suffers=True)
    shown = read("rate/too-low", behind)
    assert isinstance(shown, Sign)
    assert shown.confirmed
    behind.__dict__["harm"] = replace(behind.harm, suffers=False)
    assert isinstance(read("rate/too-low", behind), Well)


@pytest.mark.parametrize(
    ("best", "fall_now", "alarm"), [(30, 0.1, True), (30, 0.5, False), (3, 0.1, False)]
)
def test_a_rate_is_too_low_where_one_far_above_learns_far_more(best, fall_now, alarm):
    trial = rate_range(0.3, 100)
    measured = {**trial.measured, "best_lr": 0.1 * best, "best_fall": 0.8, "current_fall": fall_now}
    behind = varied(1e-3, fall(100), val=0.5, rate=replace(trial, measured=measured))
    behind.__dict__["harm"] = replace(behind.harm, suffers=True)
    found = read("rate/too-low", behind)
    assert isinstance(found, Sign) == alarm
    assert not alarm or found.confirmed


def test_a_warm_up_is_measured_by_its_peak_and_not_judged_before():
    rates = [min(1.0, n / 50) for n in range(1, 101)]
    fact, _ = layer("a")
    rows = [row for step in SAMPLED
            for row in layer("a", ratio=0.01 * rates[step - 1], steps=[step])[1]]  # fmt: skip
    assert isinstance(
        read("rate/too-low", case_of(flat(100), lr=rates, **network((fact, rows)))), Well
    )
    rising = [n / 1e6 for n in range(1, 101)]
    assert isinstance(read("rate/too-low", varied(1e-6, flat(100), lr=rising)), Unknown)


def test_a_dead_network_is_no_sign_of_a_low_rate():
    case = case_of(flat(100), **network(layer("a", ratio=0.0, gradient=0.0)))
    assert isinstance(read("rate/too-low", case), Unknown)


def test_a_norm_that_never_changes_and_tiny_updates_are_clipping():
    case = moving(1e-6, flat(100))
    sign = read("rate/clipped", case)
    assert isinstance(sign, Sign)
    assert sign.confirmed
    total = (14 * 16 * 16 * 9 * 1e-4) ** 0.5
    assert sign.measured["norm"] == pytest.approx(total)
    low = read("rate/too-low", case)
    assert isinstance(low, Well)
    assert "clipping" in low.evidence


def test_clipping_that_leaves_updates_large_is_well():
    assert isinstance(read("rate/clipped", moving(0.01, fall(100))), Well)
    assert isinstance(read("rate/clipped", moving(0.01, flat(100))), Well)


def test_gradients_that_differ_are_not_clipped():
    assert isinstance(read("rate/clipped", varied(1e-6, flat(100))), Well)


def test_an_eps_above_the_gradients_holds_adam_back():
    large = OptimizerFact(kind="Adam", groups=({"lr": 1e-3, "eps": 1.0},))
    sign = read("rate/clipped", varied(1e-5, flat(100), optimizer=large))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.measured["eps"] == pytest.approx(50, rel=0.6)
    assert isinstance(read("rate/clipped", varied(1e-2, flat(100), optimizer=ADAM)), Well)


def test_an_eps_as_large_as_the_gradients_of_a_net_that_learns_is_an_observation_at_most():
    large = OptimizerFact(kind="RMSprop", groups=({"lr": 1e-3, "eps": 1e-3},))
    assert isinstance(read("rate/clipped", varied(1e-2, fall(100), 1e-3, optimizer=large)), Well)


def test_too_few_samples_say_nothing_of_clipping():
    case = case_of(flat(100), **network(layer("a", steps=(1, 9))))
    assert isinstance(read("rate/clipped", case), Unknown)


def test_gradients_that_are_not_finite_are_no_clipping():
    fact, rows = layer("a", gradient=0.01)
    lost = [replace(row, gradient=math.inf) for row in rows[:3]]
    shown = read("rate/clipped", case_of(flat(100), **network((fact, [*lost, *rows[3:]]))))
    assert isinstance(shown, Well)
    assert math.isfinite(shown.measured["variation"])
    every = [replace(row, gradient=math.inf) for row in rows]
    assert isinstance(read("rate/clipped", case_of(flat(100), **network((fact, every)))), Unknown)


@pytest.mark.parametrize("name", ["momentum", "beta1"])
def test_a_momentum_that_never_settles(name):
    optimizer = OptimizerFact(kind="SGD", groups=({"lr": 0.1, name: 0.999},))
    case = case_of(fall(100, end=1.2), val=0.6, optimizer=optimizer)
    sign = read("rate/momentum", case)
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.measured["memory"] == pytest.approx(1000)


def test_a_high_momentum_that_learns_well_is_an_observation_and_a_common_one_well():
    high = OptimizerFact(kind="SGD", groups=({"lr": 0.1, "momentum": 0.99},))
    sign = read("rate/momentum", case_of(fall(100), val=0.95, optimizer=high))
    assert isinstance(sign, Sign)
    assert not sign.confirmed
    common = OptimizerFact(kind="SGD", groups=({"lr": 0.1, "momentum": 0.9},))
    assert isinstance(read("rate/momentum", case_of(flat(100), optimizer=common)), Well)
    assert isinstance(read("rate/momentum", case_of(flat(100))), Unknown)


def test_a_schedule_that_ends_early():
    rates = [0.1 * 0.6**n for n in range(100)]
    sign = read("rate/decay", case_of(flat(100), lr=rates))
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert sign.measured["share"] == pytest.approx(0.1, abs=0.011)


@pytest.mark.parametrize(
    "rates",
    [
        [0.1 * (1 - n / 100) for n in range(100)],
        [0.1 if n < 50 else 0.01 if n < 75 else 0.001 for n in range(100)],
        [0.1] * 100,
    ],
    ids=["to-0", "steps", "constant"],
)
def test_a_schedule_that_ends_at_the_end_is_well(rates):
    assert isinstance(read("rate/decay", case_of(flat(100), lr=rates)), Well)


def test_an_early_end_after_the_loss_has_fallen_is_an_observation():
    rates = [0.1 if n < 40 else 1e-5 for n in range(100)]
    sign = read("rate/decay", case_of([*fall(40), *flat(60, 0.2)], lr=rates, val=0.95))
    assert isinstance(sign, Sign)
    assert not sign.confirmed


def test_without_updates_nothing_is_said_of_rates():
    assert isinstance(read("rate/too-high", case_of(flat(100))), Unknown)
    assert isinstance(read("rate/too-low", case_of(flat(100))), Unknown)
    assert isinstance(read("rate/decay", case_of([])), Unknown)


def test_a_loss_that_is_lost_at_a_rate_that_learns_well():
    losses = [17.0] + [2.3] * 49 + [math.nan] * 50
    well = rate_range(0.3, 1.0)
    assert isinstance(read("rate/too-high", moving(0.6, losses, rate=well)), Well)
    assert read("rate/too-high", moving(6.0, losses, rate=well)).confirmed
    assert read("rate/too-high", moving(0.6, losses, rate=rate_range(1e-4, 0.1))).confirmed


def test_a_rate_below_the_useful_ones_is_too_low_where_the_training_suffers():
    low = rate_range(3.2, 3000)
    shown = read("rate/too-low", varied(5e-4, flat(100, 2.0), rate=low))
    assert isinstance(shown, Sign)
    assert shown.confirmed
    well = varied(5e-4, flat(100, 2.0), rate=low)
    well.__dict__["harm"] = replace(well.harm, suffers=False)
    assert isinstance(read("rate/too-low", well), Well)


def test_a_warm_up_that_has_no_updates_left_is_judged_by_the_rate_it_came_to():
    rising = [n / 1e5 for n in range(1, 101)]  # the optimizer's rate is 0.1, the last one 0.001
    useful = rate_range(0.1, 10)
    over = varied(1e-5, flat(100), lr=rising, rate=useful, planned_steps=100)
    assert read("rate/too-low", over).confirmed
    going_on = varied(1e-5, flat(100), lr=rising, rate=useful, planned_steps=1000)
    assert isinstance(read("rate/too-low", going_on), Unknown)


def killed(dead: float, fallen: float, *, first: float = 0.1, ratio: float = 0.5) -> object:
    """Read the rate of a training that learns well and ends with units dead."""
    rows = [unit("act", step, dead=first if step == 0 else dead) for step in (0, 30, 60, 90)]
    case = moving(ratio, fall(100), val=0.95, units=rows, rate=rate_range(0.1, 1.0))
    case.trials.made["rate-range"].measured.update(current_fall=fallen, best_fall=0.98)
    return read("rate/too-high", case)


def test_updates_that_kill_units_are_too_large_where_a_lower_rate_does_better():
    sign = killed(0.8, 0.7)
    assert isinstance(sign, Sign)
    assert sign.confirmed
    assert "died" in sign.evidence


def test_dead_units_do_not_blame_a_rate_that_does_best_or_small_updates():
    assert isinstance(killed(0.8, 0.97), Well)
    assert isinstance(killed(0.2, 0.7), Well)
    assert isinstance(killed(0.8, 0.7, first=0.8), Well)
    assert isinstance(killed(0.8, 0.7, ratio=0.01), Well)


def test_gradients_below_the_usual_eps_vanish_and_are_not_held_back():
    assert isinstance(read("rate/clipped", varied(1e-5, flat(100), 1e-10, optimizer=ADAM)), Well)


def test_a_loss_that_falls_at_no_rate_is_not_blamed_on_the_rate():
    case = moving(0.5, flat(100))
    case.trials.made["rate-range"] = Unknown(why=NO_RATE)
    assert isinstance(read("rate/too-high", case), Well)
    assert read("rate/too-high", moving(0.5, flat(100))).confirmed


def test_a_memory_of_several_trainings_is_senseless_at_the_end_of_one():
    high = OptimizerFact(kind="SGD", groups=({"lr": 0.1, "momentum": 0.999},))
    ended = case_of(fall(100), val=0.95, optimizer=high, planned_steps=100)
    assert read("rate/momentum", ended).confirmed
    begun = case_of(fall(100), val=0.95, optimizer=high, planned_steps=5000)
    assert not read("rate/momentum", begun).confirmed
