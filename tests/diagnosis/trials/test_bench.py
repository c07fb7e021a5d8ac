"""The bench that tests are made on: time, random states, modes, marks."""

import contextlib
import dataclasses
import math
import time

import pytest
import torch
from tests.diagnosis.trials_runs import (
    network,
    plain,
    setting_of,
    subject_of,
)
from torch import nn

from hubel.diagnosis.evidence.setting import ModuleFact
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials import bench
from hubel.diagnosis.trials.marks import (
    balanced,
    chance_of,
    left_over,
    right,
    share_error,
)
from hubel.diagnosis.trials.table import Trials


def test_random_state_is_given_back_after_an_exception():
    state = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), bench.apart():
        torch.rand(5)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), state)


def test_grad_is_on_inside_of_inference_mode():
    with torch.inference_mode(), bench.apart():
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


def test_a_test_that_takes_too_long_says_so():
    subject = subject_of(plain())
    outcome = Trials(setting_of(subject), subject, seconds=1e-6).make("one-batch")
    assert isinstance(outcome, Unknown)
    assert "takes too long for it (over 1e-06 s, the trial time)" in outcome.why


@pytest.mark.parametrize(("least", "tooks"), [(1000, 4), (0, 60)])
def test_a_test_without_a_chance_to_end_in_time_ends_at_once(least, tooks):
    subject = subject_of(Slow())
    data = subject.samples("train", 64)
    network = subject.network()
    done = 0
    with bench.allowed(2.0), contextlib.suppress(bench.TooLongError):
        for _ in bench.updates(
            setting_of(subject), subject, network, bench.sane_optimizer(network, 1e-3),
            (data.inputs, data.targets), steps=60, clock=bench.Clock(), least=least,
        ):  # fmt: skip
            done += 1
    assert done <= tooks
    assert (done == 60) == (least == 0)


class Slow(nn.Module):
    """A network that takes over 5 ms of processor time a call."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, pictures):
        end = time.thread_time() + 0.005
        while time.thread_time() < end:
            pass
        return self.head(pictures.flatten(1))


def test_what_a_network_raises_becomes_unknown():
    subject = subject_of(nn.Sequential(nn.Flatten(), nn.Linear(63, 10)))
    trials = Trials(setting_of(subject), subject)
    outcome = trials.make("held-out")
    assert isinstance(outcome, Unknown)
    assert outcome.why.startswith("the test held-out could not be made: mat1 and mat2")
    assert trials.make("held-out") is outcome


def test_frozen_normalisation_stays_frozen():
    model = network()
    subject = subject_of(model)
    facts = (
        ModuleFact(path="1", kind="BatchNorm2d", training=False),
        ModuleFact(path="5", kind="BatchNorm2d"),
    )
    setting = dataclasses.replace(setting_of(subject), modules=facts)
    still = bench.set_still(model, setting)
    assert [still[1].training, still[5].training, still[9].training] == [False, True, False]
    alone = dataclasses.replace(setting, modules=facts[:1])  # a loop all in evaluation mode
    assert bench.set_still(model, alone)[1].training


def test_answers_are_found_in_what_networks_return():
    row = torch.ones(2, 3)
    assert bench.answers(lambda x: (row, None), row) is row
    assert bench.answers(lambda x: {"loss": 0, "logits": row}, row) is row
    assert bench.answers(lambda x: {"first": row}, row) is row


def test_marks_by_task():
    told = setting_of(subject_of(plain()))
    outputs, targets = torch.tensor([[1.0, 2.0], [2.0, 1.0]]), torch.tensor([1, 1])
    assert right(told, outputs, targets).tolist() == [1, 0]
    assert right(told, torch.tensor([[3.0], [-3.0]]), targets).tolist() == [1, 0]
    unknown = dataclasses.replace(told, task="unknown")
    assert right(unknown, outputs, torch.tensor([[0.0, 1.0], [0.0, 0.0]])).tolist() == [0.5, 0]
    assert right(unknown, outputs, torch.tensor([0.3, 2.5])) is None
    guess = torch.full((4, 1), 2.5)
    assert left_over(guess, torch.tensor([1.0, 2, 3, 4])).mean() == pytest.approx(1)
    assert left_over(torch.zeros(4, 2), torch.zeros(4)) is None
    assert share_error(0.5, 100) == pytest.approx(0.5 / 10, rel=0.02)
    assert share_error(1.0, 100) > 0
    assert math.isnan(share_error(0.5, 0))
    assert chance_of(told, torch.tensor([0, 0, 0, 1])) == 0.75


def test_sixteen_pictures_are_balanced_over_classes():
    targets = torch.tensor([0] * 90 + [1] * 6 + [2] * 4)
    told = setting_of(subject_of(plain()))
    chosen = targets[balanced(told, targets, 12, torch.Generator().manual_seed(0))]
    assert sorted(chosen.bincount().tolist()) == [4, 4, 4]


def test_a_short_training_that_stands_still_is_ended():
    falling = [2.0 - 0.004 * update for update in range(300)]
    plateau = [2.0 + 0.01 * (-1) ** update for update in range(300)]
    assert not any(bench.stands_still(falling[:number]) for number in range(301))
    ended = [number for number in range(301) if bench.stands_still(plateau[:number])]
    assert ended[0] == 120
    late = [2.0] * 60 + [2.0 - 0.01 * update for update in range(100)]
    assert not any(bench.stands_still(late[:number]) for number in range(161))
