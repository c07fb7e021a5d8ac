"""Schedules: each against torch's own, and laws that hold for all."""

import json
import math
import warnings
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler as torch_schedules

from hubel.errors import UsageError
from hubel.options.train import ScheduleName
from hubel.training.schedules import SHAPES, Plateau, Schedule

PEAK = 0.4


def torch_rates(make, steps):
    """Rates of a torch scheduler over `steps` updates."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def rates(name, steps, *, per_epoch=10, warmup=0.0):
    schedule = Schedule(
        name=name, peak=PEAK, steps=steps, steps_per_epoch=per_epoch, warmup_share=warmup
    )
    return [schedule.at(step) for step in range(steps)]


def test_step_is_torch_steplr():
    expected = torch_rates(lambda o: torch_schedules.StepLR(o, step_size=34, gamma=0.1), 100)
    assert rates("step", 100) == pytest.approx(expected)


def test_step_with_milestones_is_torch_multisteplr():
    expected = torch_rates(
        lambda o: torch_schedules.MultiStepLR(o, milestones=[50, 75], gamma=0.2), 100
    )
    schedule = Schedule(
        name="step", peak=PEAK, steps=100, steps_per_epoch=10, milestones=(0.5, 0.75),
        step_factor=0.2,
    )  # fmt: skip
    assert [schedule.at(step) for step in range(100)] == pytest.approx(expected)


def test_linear_is_torch_polynomiallr_of_power_1():
    expected = torch_rates(lambda o: torch_schedules.PolynomialLR(o, total_iters=40, power=1), 40)
    assert rates("linear", 40) == pytest.approx(expected)


def test_exponential_is_torch_exponentiallr():
    expected = torch_rates(lambda o: torch_schedules.ExponentialLR(o, gamma=0.01 ** (1 / 60)), 60)
    assert rates("exponential", 60) == pytest.approx(expected)


def test_cosine_is_torch_cosineannealinglr():
    expected = torch_rates(lambda o: torch_schedules.CosineAnnealingLR(o, T_max=70), 70)
    assert rates("cosine", 70) == pytest.approx(expected)


def test_warm_up_and_cosine_are_torch_linearlr_then_cosineannealinglr():
    def make(optimizer):
        return torch_schedules.SequentialLR(
            optimizer,
            [
                torch_schedules.LinearLR(optimizer, start_factor=1 / 20, total_iters=19),
                torch_schedules.CosineAnnealingLR(optimizer, T_max=80),
            ],
            milestones=[20],
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecation inside SequentialLR
        expected = torch_rates(make, 100)
    assert rates("cosine", 100, warmup=0.2) == pytest.approx(expected)


def test_onecycle_is_torch_onecyclelr():
    for share in (0.3, 0.45):
        expected = torch_rates(
            lambda o, share=share: torch_schedules.OneCycleLR(
                o, max_lr=PEAK, total_steps=80, pct_start=share, cycle_momentum=False
            ),
            80,
        )[:79]
        given_share = 0.0 if share == 0.3 else share
        assert rates("onecycle", 80, warmup=given_share)[:79] == pytest.approx(expected)
    assert rates("onecycle", 80)[79] == pytest.approx(PEAK / 25e4)


def test_cyclic_is_torch_cycliclr():
    expected = torch_rates(
        lambda o: torch_schedules.CyclicLR(
            o, base_lr=PEAK / 10, max_lr=PEAK, step_size_up=20, cycle_momentum=False
        ),
        120,
    )
    assert rates("cyclic", 120) == pytest.approx(expected)


def test_plateau_is_torch_reducelronplateau():
    losses = [1.0, 0.8, 0.79999, 0.81, 0.7, 0.7, 0.7, 0.7, 0.71, 0.69, 0.9, 0.9, 0.9, 0.9, 0.9]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    theirs = torch_schedules.ReduceLROnPlateau(optimizer, factor=0.1, patience=2)
    ours = Plateau(patience=2)
    factors = []
    for loss in losses:
        theirs.step(loss)
        factors.append(ours.update(loss))
        assert PEAK * factors[-1] == pytest.approx(optimizer.param_groups[0]["lr"])
    assert len(set(factors)) > 2
    assert set(rates("plateau", 5)) == {PEAK}


def test_plateau_goes_on_from_its_state():
    whole, first = Plateau(patience=1), Plateau(patience=1)
    losses = [1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6]
    assert Plateau().state()["best"] is None
    for loss in losses[:3]:
        whole.update(loss)
        first.update(loss)
    second = Plateau(patience=1)
    second.restore(json.loads(json.dumps(first.state())))
    assert [whole.update(x) for x in losses[3:]] == [second.update(x) for x in losses[3:]]
    fresh = Plateau()
    fresh.restore(Plateau().state())
    assert math.isinf(fresh.best)


def test_the_table_has_every_name_that_a_user_may_set():
    assert set(SHAPES) == set(ScheduleName.__args__)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from([name for name in SHAPES if name != "cyclic"]),
    steps=st.integers(1, 300),
    per_epoch=st.integers(1, 50),
    warmup=st.floats(0, 0.99),
)
def test_rates_stay_between_zero_and_the_peak(name, steps, per_epoch, warmup):
    all_rates = rates(name, steps, per_epoch=per_epoch, warmup=warmup)
    assert all(0 <= rate <= PEAK * (1 + 1e-12) for rate in all_rates)
    rise = Schedule(
        name=name, peak=PEAK, steps=steps, steps_per_epoch=per_epoch, warmup_share=warmup
    ).warmup
    assert all(a < b for a, b in pairwise(all_rates[:rise]))
    if name != "onecycle":
        falling = all_rates[rise:]
        assert falling[0] == PEAK
        assert all(a >= b for a, b in pairwise(falling))


@settings(max_examples=30, deadline=None)
@given(steps=st.integers(1, 300), per_epoch=st.integers(1, 50))
def test_cyclic_stays_in_its_band(steps, per_epoch):
    assert all(
        PEAK / 10 * (1 - 1e-9) <= rate <= PEAK * (1 + 1e-9)
        for rate in rates("cyclic", steps, per_epoch=per_epoch)
    )


def schedule(**changes):
    return Schedule(**{"name": "cosine", "peak": 1.0, "steps": 10, "steps_per_epoch": 5} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "cosinus"}, "There is no schedule 'cosinus': did you mean cosine"),
        ({"steps": 0}, "A schedule needs at least one step, not 0"),
        ({"warmup_share": 1.0}, "--warmup must be from 0 to below 1, not 1"),
        ({"name": "cyclic", "warmup_share": 0.1}, "cyclic rises by itself; leave out --warmup 0.1"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(UsageError, match=words):
        schedule(**changes)


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_is_an_error(step):
    with pytest.raises(IndexError, match=f"step {step} of a schedule of 10 steps"):
        schedule().at(step)
