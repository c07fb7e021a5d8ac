"""Harm: judged with sampling errors, unknown where nothing is known."""

import dataclasses
import math

import pytest

from hubel.diagnosis.evidence.record import BatchRow, EvaluationRow, Record, StepRow
from hubel.diagnosis.evidence.setting import LossFact, Setting
from hubel.diagnosis.harm import harm_of
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.trial import Trial

NONE = Unknown(why="no pictures")
TOLD = Setting(origin="loop", task="classification", pictures=1000)


def floor(share=0.9, *, chance=0.1, **more):
    measured = {"accuracy": share, "standard_error": 0.01, "chance": chance, "number": 500, **more}
    return Trial(name="reference", healthy=True, evidence="", measured=measured)


def record(*, losses=(2.3, 0.3), train=0.95, val=(0.9,), updates=200, pictures=500, lr=None):
    first, last = losses
    steps = [
        StepRow(
            step=at + 1,
            pass_number=1,
            loss=last + (first - last) * max(0.0, 1 - 2 * at / updates) + 0.01 * (-1) ** at,
            lr=0.1 if lr is None else lr(at),
            pictures=32,
            accuracy=train,
        )
        for at in range(updates)
    ]
    evaluations = [
        EvaluationRow(
            step=at, pass_number=at, split="val", mode="eval", loss=1, accuracy=share,
            pictures=pictures,
        )
        for at, share in enumerate(val, start=1)
    ]  # fmt: skip
    batch = BatchRow(
        step=1, split="train", shape=(10, 1, 8, 8), dtype="float32", low=0, high=1, mean=(0,),
        std=(1,), labels=tuple(range(10)),
    )  # fmt: skip
    return Record(steps=steps, evaluations=evaluations, batches=[batch])


@pytest.mark.parametrize(
    ("kept", "reference", "suffers", "known"),
    [
        (record(), floor(), False, True),
        (record(val=(0.7,)), floor(), True, True),  # far below the floor
        (record(val=(0.87,), pictures=40), floor(), False, True),  # a validation set too small
        (record(train=0.6, val=(0.93,)), floor(), False, True),  # mixup and dropout
        (record(train=0.1, val=(0.11,), losses=(2.3, 2.3)), floor(), True, True),
        (record(train=0.1, val=(0.11,), losses=(2.3, 2.3)), NONE, True, True),
        (record(train=0.1, val=(0.11,), losses=(2.3, 2.3), updates=20), floor(), False, False),
        (record(val=(0.5,)), floor(0.11), False, True),  # photographs: pixels are no floor
        (record(train=0.9, val=(0.12,), losses=(2.3, 1)), floor(0.11), True, True),  # by heart
        (record(val=(0.9, 0.92, 0.6, 0.55)), NONE, True, True),  # fell back
        (record(losses=(2.3, math.nan)), floor(), True, True),
        (record(train=math.nan, val=(), losses=(5, 5)), NONE, True, True),  # no labels, no fall
        (record(train=math.nan, val=(), losses=(5, 4)), NONE, False, False),
        (Record(), floor(), False, False),
        (
            record(train=0.1, val=(), losses=(2.3, 2.3), lr=lambda at: 1e-4 * (at + 1)),
            NONE,
            False,
            False,  # still warming up
        ),
    ],
)
def test_judgement(kept, reference, suffers, known):
    harm = harm_of(kept, reference, setting=TOLD)
    assert (harm.suffers, harm.known) == (suffers, known), harm.evidence
    assert harm.evidence


def test_a_training_that_is_over_is_judged_however_short_it_was():
    short = record(train=0.1, val=(0.11,), losses=(2.3, 2.3), updates=20)
    assert not harm_of(short, floor(), setting=TOLD).known
    ended = harm_of(short, floor(), setting=dataclasses.replace(TOLD, planned_steps=20))
    assert ended.suffers
    assert not harm_of(short, floor(), setting=dataclasses.replace(TOLD, planned_steps=21)).known


@pytest.mark.parametrize(("val", "clearly"), [(0.7, True), (0.85, False)])
def test_a_training_just_below_the_floor_does_not_clearly_suffer(val, clearly):
    harm = harm_of(record(val=(val,)), floor(), setting=TOLD)
    assert (harm.suffers, harm.clearly) == (True, clearly), harm.evidence
    assert not harm_of(record(), floor(), setting=TOLD).clearly
    lost = harm_of(record(losses=(2.3, math.nan)), floor(), setting=TOLD)
    assert lost.clearly


@pytest.mark.parametrize(
    ("train", "last", "kind", "suffers"),
    [
        (0.1, 4.0, "cross-entropy", True),
        (0.1, 2.5, "cross-entropy", False),  # it has hardly begun
        (0.1, 4.0, "mse", False),  # what guessing costs is not known
        (0.4, 4.0, "cross-entropy", False),  # it learns
    ],
)
def test_a_loss_that_falls_and_stays_above_guessing_is_no_beginning(train, last, kind, suffers):
    loss = LossFact(
        kind=kind, reduction="mean", negated=False, activations=(), chain=(), scale=1.0
    )  # fmt: skip
    setting = dataclasses.replace(TOLD, loss=loss, outputs=10)
    kept = record(losses=(6, last), train=train, val=(0.1,), updates=40)
    harm = harm_of(kept, floor(0.11), setting=setting)
    assert (harm.suffers, "guessing costs 2.3" in harm.evidence) == (suffers, suffers)


def test_half_of_the_plan_must_be_done():
    early = dataclasses.replace(TOLD, planned_steps=1000)
    assert not harm_of(record(val=(0.5,)), floor(), setting=early).known
    done = dataclasses.replace(TOLD, planned_steps=300)
    assert harm_of(record(val=(0.5,)), floor(), setting=done).suffers


def test_the_floor_is_pooled_only_where_both_agree():
    agree = harm_of(record(), floor(0.90, val_accuracy=0.88, val_error=0.01, val_number=500))
    assert agree.reference == pytest.approx(0.89)
    assert agree.reference_error == pytest.approx(0.01 / math.sqrt(2))
    apart = harm_of(record(), floor(0.90, val_accuracy=0.3, val_error=0.01, val_number=500))
    assert apart.reference == 0.90


def test_numbers_are_judged_by_what_is_held_out():
    ridge = Trial(
        name="reference", healthy=True, evidence="",
        measured={"r2": 0.8, "standard_error": 0.02, "chance": 0.0, "number": 100},
    )  # fmt: skip
    told = dataclasses.replace(TOLD, task="regression")
    kept = record(train=math.nan, val=(), losses=(5, 1))
    for r2, suffers in ((0.9, False), (0.4, True)):
        held = Trial(
            name="held-out", healthy=True, evidence="",
            measured={"val_accuracy": r2, "val_error": 0.02, "train_accuracy": r2},
        )  # fmt: skip
        harm = harm_of(kept, ridge, setting=told, held_out=held)
        assert (harm.suffers, harm.known) == (suffers, True)


def test_errors_and_fall_stand_in_it():
    harm = harm_of(record(train=0.95, val=(0.9,)), floor(), setting=TOLD)
    assert harm.train_accuracy == pytest.approx(0.95)
    assert harm.val_error == pytest.approx(math.sqrt(0.9 * 0.1 / 500), rel=0.02)
    assert harm.fall == pytest.approx(2 / 2.3, rel=0.02)


def test_without_validation_it_says_that_training_pictures_were_measured():
    kept = record(train=math.nan, val=(), losses=(5, 1))
    held = Trial(
        name="held-out", healthy=True, evidence="",
        measured={"train_accuracy": 0.5, "train_error": 0.02},
    )  # fmt: skip
    harm = harm_of(kept, floor(), setting=TOLD, held_out=held)
    assert (harm.on, harm.val_accuracy) == ("training", 0.5)
    assert "training in evaluation mode 50.0%" in harm.evidence
    assert harm_of(record(val=(0.9,)), floor(), setting=TOLD).on == "validation"


def test_a_loss_that_has_blown_up_needs_few_updates():
    few = record(train=0.1, val=(0.1,), losses=(2.3, 5e6), updates=12)
    harm = harm_of(few, floor(), setting=TOLD)
    assert (harm.suffers, harm.known) == (True, True)
    assert "blown up" in harm.evidence
    grown = record(train=0.1, val=(0.1,), losses=(2.3, 20.0), updates=12)
    assert not harm_of(grown, floor(), setting=TOLD).known
