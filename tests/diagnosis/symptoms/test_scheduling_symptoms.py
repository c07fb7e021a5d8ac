"""Schedulers, stepped by real loops: which rhythm is wrong, and which only looks so."""

import itertools

import pytest
import torch
from tests.diagnosis.facts_cases import look, steps
from torch.optim import lr_scheduler as schedulers

from hubel.diagnosis.evidence.setting import SchedulerFact
from hubel.diagnosis.symptom import Sign, Unknown, Well

PASSES, A_PASS = 12, 25
ALL = PASSES * A_PASS


def run(make, each, passes=PASSES, a_pass=A_PASS, lr=0.1, **changes):
    """Step a real scheduler at each `batch` or each `pass`, or never; return what is found."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    rates = []
    for number in range(passes * a_pass):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if each == "batch" or (each == "pass" and (number + 1) % a_pass == 0):
            scheduler.step()
    numbers = {
        name: float(value)
        for name, value in vars(scheduler).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name[0] != "_"
    }
    fact = SchedulerFact(
        kind=type(scheduler).__name__,
        numbers=numbers,
        steps_a_pass={"batch": a_pass, "pass": 1.0, "never": 0.0}[each],
    )
    rows = steps(passes * a_pass, a_pass, rate=rates.__getitem__)
    return look("loop/scheduler-rhythm", rows=rows, scheduler=fact, **changes)


WRONG = {
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, PASSES),
    "restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, PASSES),
    "steps": lambda o: schedulers.StepLR(o, 4, 0.1),
    "milestones": lambda o: schedulers.MultiStepLR(o, [6, 8, 9, 11], 0.1),
    "exponential": lambda o: schedulers.ExponentialLR(o, 0.9),
}


@pytest.mark.parametrize("name", WRONG)
def test_numbers_of_passes_stepped_at_each_batch(name):
    found = run(WRONG[name], "batch")
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "once after each pass" in found.remedy
    assert isinstance(run(WRONG[name], "pass"), Well)


def test_a_period_of_more_than_a_pass_that_is_the_number_of_passes():
    long = {"passes": 30, "a_pass": 12}
    found = run(lambda o: schedulers.CosineAnnealingLR(o, 30), "batch", **long, planned_steps=360)
    assert found.confirmed
    # A period of two and a half passes may be meant where nothing says that it is not.
    assert isinstance(run(lambda o: schedulers.CosineAnnealingLR(o, 30), "batch", **long), Well)


def one_cycle(optimizer):
    return schedulers.OneCycleLR(optimizer, 0.1, total_steps=ALL)


def warm_up(optimizer):
    first = schedulers.LinearLR(optimizer, 0.01, total_iters=50)
    then = schedulers.CosineAnnealingLR(optimizer, ALL - 50)
    return schedulers.SequentialLR(optimizer, [first, then], [50])


FITTING = {
    "one cycle": one_cycle,
    "warm-up": warm_up,
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, ALL),
    "cosine a pass": lambda o: schedulers.CosineAnnealingWarmRestarts(o, A_PASS),
    "doubling restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, 10, 2),
    "linear": lambda o: schedulers.LinearLR(o, 1.0, 0.0, total_iters=ALL),
    "steps": lambda o: schedulers.StepLR(o, ALL // 3, 0.1),
    "milestones": lambda o: schedulers.MultiStepLR(o, [ALL // 2, 3 * ALL // 4], 0.1),
    "exponential": lambda o: schedulers.ExponentialLR(o, 0.99),
    "lambda": lambda o: schedulers.LambdaLR(o, lambda n: 1 - n / ALL),
}


@pytest.mark.parametrize("name", FITTING)
def test_numbers_of_batches_stepped_at_each_batch(name):
    assert isinstance(run(FITTING[name], "batch"), Well)


@pytest.mark.parametrize("suffers", [True, False])
def test_never_stepped(suffers):
    found = run(one_cycle, "never", suffers=suffers)
    assert found.confirmed == suffers
    assert "after each optimizer.step()" in found.remedy


def test_not_stepped_in_the_first_pass():
    assert isinstance(run(lambda o: schedulers.StepLR(o, 5), "never", passes=1), Well)


@pytest.mark.parametrize("planned", [ALL, None])
def test_one_cycle_stepped_once_a_pass(planned):
    found = run(one_cycle, "pass", planned_steps=planned, suffers=True)
    assert found.confirmed
    well = run(one_cycle, "pass", planned_steps=planned, suffers=False)
    assert well.confirmed is (planned is not None)  # then its numbers are known to mean updates
    assert found.measured["share"] == pytest.approx(PASSES / ALL)
    fitting = run(lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=PASSES + 1), "pass")
    assert isinstance(fitting, Well)


def test_nothing_known():
    assert isinstance(look("loop/scheduler-rhythm"), Well)
    assert isinstance(look("loop/scheduler-rhythm", rows=[]), Unknown)
    fact = SchedulerFact(kind="StepLR", numbers={}, steps_a_pass=3.0)
    one_pass = steps(5)
    found = look("loop/scheduler-rhythm", rows=one_pass, scheduler=fact, steps_a_pass=None)
    assert isinstance(found, Unknown)


def test_plateau_by_batch_ends_at_no_rate():
    rates = list(itertools.chain([0.1] * 40, [1e-9] * 60))
    fact = SchedulerFact(kind="ReduceLROnPlateau", numbers={}, steps_a_pass=10.0)
    found = look("loop/scheduler-rhythm", rows=steps(100, rate=rates.__getitem__), scheduler=fact)
    assert found.confirmed
    assert found.measured["share"] == pytest.approx(0.6)
