"""Real trainings: none of the healthy ones raises an alarm, and the sick ones raise theirs."""

from __future__ import annotations

import dataclasses

import pytest
from tests.diagnosis.dynamics_runs import made

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.symptom import Sign
from hubel.diagnosis.symptoms import (
    gradients,
    initialisation,
    loss_course,
    precision,
    rates,
    speed,
    units,
)

FAMILIES = (loss_course, gradients, rates, units, initialisation, precision, speed)
WELL = (
    "sgd-momentum", "adam", "adam-few-steps", "adamw-one-cycle", "sgd-warm-up", "bn-sgd-high",
    "mixup", "frozen", "clipped-small", "zero-head", "tanh-x50", "two-classes", "batch-8",
)  # fmt: skip
ALARMS = {
    "sgd-lr-x100": ("rate/too-high", "loss/divergence", "unit/dead"),
    "few-tiny-updates": ("rate/too-low",),
    "few-updates": ("rate/too-high",),
    "adam-lr-1e-8": ("rate/too-low", "loss/stagnation"),
    "sigmoid-8-sgd": ("gradient/vanishing", "loss/stagnation"),
    "init-x10": ("initialisation/scale", "loss/initial"),
    "init-x10-sgd": ("initialisation/scale", "loss/non-finite", "gradient/exploding"),
    "init-d10-sgd": ("initialisation/scale", "loss/stagnation"),
    "constant-all": ("initialisation/constant",),
    "bias-sgd": ("initialisation/bias", "unit/dead"),
    "clip-1e-6": ("rate/clipped", "loss/stagnation"),
    "adam-eps-1": ("rate/clipped", "loss/stagnation"),
    "momentum-999": ("rate/momentum",),
    "decay-early": ("rate/decay", "loss/stagnation"),
    "raw-inputs-sgd": ("loss/initial", "loss/stagnation"),
}
NOT_BLAMED = {
    "adam-lr-1e-8": {"rate/clipped", "rate/decay", "gradient/vanishing"},
    "sigmoid-8-sgd": {"rate/too-low", "rate/too-high"},
    "clip-1e-6": {"rate/too-low"},
    "adam-eps-1": {"rate/too-low"},
    "decay-early": {"rate/too-low"},
    "init-x10": {"loss/stagnation"},
}


def alarms(case: Case) -> set[str]:
    """Return the ids of the alarms that the symptoms of optimisation raise."""
    return {
        symptom.id
        for family in FAMILIES
        for symptom in family.SYMPTOMS
        if isinstance(reading := symptom.find(case), Sign) and reading.confirmed
    }


def until(case: Case, step: int) -> Case:
    """Return the case as it was after so many updates, before any evaluation."""
    record = case.record
    part = Record(
        steps=record.steps[:step],
        weights=[row for row in record.weights if row.step <= step],
        units=[row for row in record.units if row.step <= step],
        batches=[row for row in record.batches if row.step <= step],
        initial_loss=record.initial_loss,
    )
    seen = Case(case.setting, part)
    seen.trials.made.update(case.trials.made)
    return seen


@pytest.mark.parametrize("name", WELL)
def test_a_healthy_training_raises_no_alarm_at_any_time(name):
    case = made(name)
    assert alarms(case) == set()
    for step in (20, 40, 60, 80):
        assert alarms(until(case, step)) == set()


@pytest.mark.parametrize("name", ALARMS)
def test_a_sick_training_raises_its_alarms(name):
    found = alarms(made(name))
    assert set(ALARMS[name]) <= found
    assert not found & NOT_BLAMED.get(name, set())


def test_healthy_trainings_learn():
    """An example that never trained proves nothing."""
    for name in WELL:
        assert made(name).record.evaluations[-1].accuracy > 0.7


def test_a_record_without_samples_of_weights_and_units_raises_no_alarm_but_of_the_loss():
    case = made("adam-lr-1e-8")
    bare = dataclasses.replace(case.record, weights=[], units=[])
    seen = Case(case.setting, bare)
    seen.trials.made.update(case.trials.made)
    assert alarms(seen) == {"loss/stagnation"}
