"""Tests on data that begin with cheap evidence, and share what they read and work out."""

import numpy as np
import pytest
import torch
from tests.diagnosis.labels_subjects import PicturesSubject, case_of, digits, with_noise
from torch import nn
from torch.optim import SGD, Adam, AdamW

from hubel.diagnosis.case import Case
from hubel.diagnosis.harm import Harm
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.symptoms import labels
from hubel.diagnosis.trials import data_remembered, regularisation_off
from hubel.diagnosis.trials.data_remembered import Remembering, remembering
from hubel.diagnosis.trials.data_validation_labels import recalled
from hubel.diagnosis.trials.table import TRIALS

TRAIN, VAL = digits()


@pytest.fixture(scope="module")
def healthy():
    return case_of(TRAIN, VAL)


def test_a_healthy_training_is_judged_without_a_classifier(healthy, monkeypatch):
    def never(*_):
        raise AssertionError("features were made")

    monkeypatch.setattr(data_remembered, "described", never)
    for name in ("data-agreement", "data-validation-labels"):
        trial = TRIALS[name](healthy.setting, healthy.subject)
        assert trial.healthy
        assert "the network is right for" in trial.evidence


def test_noise_is_not_looked_for_where_both_splits_are_right(healthy, monkeypatch):
    for name, train, val, quiet in (
        ("both", 0.99, 0.98, True),
        ("learned by heart", 1.0, 0.9, False),
        ("not learned", 0.8, 0.98, False),
        ("no validation", 1.0, float("nan"), False),
    ):
        case = Case(healthy.setting, healthy.record, healthy.subject)
        case.trials.made["data-noise"] = Unknown(why="it was looked for")
        monkeypatch.setattr(
            case, "harm", Harm(
                suffers=False, evidence="", train_accuracy=train, val_accuracy=val,
                chance=0.1, reference=0.9,
            )
        )  # fmt: skip
        found = labels.noise(case)
        assert isinstance(found, Well) == quiet, name
        assert isinstance(found, Unknown) != quiet, name


def test_noise_that_was_learned_by_heart_is_still_looked_for():
    case = case_of(with_noise(TRAIN, 0.2), VAL, steps=100)
    found = labels.noise(case)
    assert isinstance(found, Sign)
    assert found.confirmed


def test_the_least_recall_by_hand():
    truth = np.repeat([0, 1, 2], [8, 4, 3])
    said = truth.copy()
    said[:2], said[8], said[12:] = 1, 0, 0
    assert recalled(said, truth) == 6 / 8  # class 1 has 3 of 4; class 2 is too rare to count
    assert recalled(truth, np.zeros_like(truth)) == 0.0
    assert recalled(np.arange(20), np.arange(20)) == 0.0


def test_pictures_are_read_and_described_once(monkeypatch):
    subject = PicturesSubject(TRAIN, VAL, nn.Flatten())
    reads, described = [], []
    real, describe = subject.samples, data_remembered.described
    subject.samples = lambda split, number: reads.append(split) or real(split, number)
    monkeypatch.setattr(
        data_remembered, "described", lambda inputs: described.append(1) or describe(inputs)
    )
    seen = remembering(subject)
    assert isinstance(seen, Remembering)
    assert remembering(seen) is seen
    setting = case_of(TRAIN, VAL, steps=0).setting
    train, val = (seen.labelled(setting, split) for split in ("train", "val"))
    assert seen.labelled(setting, "train") is train
    assert seen.regression(train, val) is seen.regression(train, val)
    assert seen.features("val", train, val) is seen.features("val", train, val)
    assert (reads, described) == (["train", "val"], [1, 1])
    keys = train.samples.keys[:2]
    assert torch.equal(seen.reread("train", keys).inputs, train.inputs[:2])
    without = remembering(PicturesSubject(TRAIN, VAL, nn.Flatten(), rereads=False))
    assert without.reread("train", keys) is None


@pytest.mark.parametrize(
    ("make", "share"),
    [
        (lambda of: SGD(of, 0.05, momentum=0.9, weight_decay=1e-4), 0.05 / 0.1 * 1e-4 * 160),
        (lambda of: AdamW(of, 1e-3, weight_decay=1e-2), 1e-5 * 160),
        (lambda of: SGD(of, 0.05), 0.0),
        (lambda of: Adam(of, 1e-3, weight_decay=1e-4), float("inf")),
    ],
)
def test_what_decay_takes(make, share):
    assert regularisation_off._decayed(make(nn.Linear(2, 2).parameters())) == pytest.approx(share)


def test_slight_decay_without_dropout_holds_nothing_back(monkeypatch):
    subject = PicturesSubject(TRAIN, VAL, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    setting = case_of(TRAIN, VAL, steps=0).setting
    subject.optimizer = lambda module, factor=1.0: SGD(
        module.parameters(), 0.05 * factor, weight_decay=1e-4
    )
    trial = TRIALS["regularisation-off"](setting, subject)
    assert trial.healthy
    assert trial.evidence.startswith("there is no dropout, and in 160 updates weight decay takes")
    subject.module.append(nn.Dropout(0.5))
    monkeypatch.setattr(regularisation_off, "STEPS", 2)
    assert "right with dropout" in TRIALS["regularisation-off"](setting, subject).evidence
