"""Symptoms of labels: on a training that has each, and on one that only looks like it."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.diagnosis.labels_subjects import (
    Split,
    case_of,
    digits,
    mixed,
    relabelled,
    with_noise,
)

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.symptoms import labels, pictures
from hubel.diagnosis.symptoms.labels import normalised_perplexity
from hubel.diagnosis.table import SYMPTOMS

TRAIN, VAL = digits()


@pytest.fixture(scope="module")
def healthy() -> Case:
    return case_of(TRAIN, VAL)


def chosen(split: Split, keep: torch.Tensor) -> Split:
    return Split(inputs=split.inputs[keep], labels=split.labels[keep])


@pytest.mark.parametrize(
    "symptom",
    [one for one in (*labels.SYMPTOMS, *pictures.SYMPTOMS) if one.id != "data/augmentation"],
    ids=lambda one: one.id,
)
def test_a_healthy_training_has_none_of_them(healthy, symptom):
    assert isinstance(symptom.find(healthy), Well)


def test_all_of_them_are_in_the_table():
    for symptom in (*labels.SYMPTOMS, *pictures.SYMPTOMS):
        assert SYMPTOMS[symptom.id] is symptom


@pytest.mark.parametrize("symptom", labels.SYMPTOMS, ids=lambda one: one.id)
def test_without_pictures_nothing_is_said(symptom):
    case = Case(Setting(origin="loop", task="classification"), Record())
    assert isinstance(symptom.find(case), Unknown)


def test_shuffled_labels_are_found():
    train = relabelled(TRAIN, mixed(TRAIN.labels))
    found = labels.shuffled(case_of(train, VAL))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["z"] < 3
    assert found.measured["fresh_z"] < 3


def test_without_validation_shuffled_labels_are_an_observation():
    found = labels.shuffled(case_of(relabelled(TRAIN, mixed(TRAIN.labels)), None, steps=0))
    assert isinstance(found, Sign)
    assert not found.confirmed


def test_half_of_the_labels_shuffled_is_not_shuffled():
    half = with_noise(TRAIN, 0.5)
    found = labels.shuffled(case_of(half, VAL, steps=0))
    assert isinstance(found, Well)
    assert found.measured["z"] > 3


@pytest.mark.parametrize("pairwise", [False, True])
def test_noise_is_found_and_suspects_are_named(pairwise):
    noisy = with_noise(TRAIN, 0.2, pairwise=pairwise)
    case = case_of(noisy, VAL, steps=0)
    found = labels.noise(case)
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["low"] < 0.2 < found.measured["high"]
    wrong = {str(place) for place in np.flatnonzero(noisy.labels != TRAIN.labels).tolist()}
    assert len(found.where) == 100
    assert len(wrong & {*found.where}) >= 97


def test_noise_in_both_splits_is_seconded_by_the_network():
    case = case_of(with_noise(TRAIN, 0.2), with_noise(VAL, 0.2, seed=4))
    found = labels.noise(case)
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "the network says" in found.evidence


def test_noise_that_nothing_bears_out_is_an_observation():
    noisy = with_noise(TRAIN, 0.2)
    found = labels.noise(case_of(noisy, None, steps=0))
    assert isinstance(found, Sign)
    assert not found.confirmed


def test_hard_pictures_are_not_noise():
    generator = torch.Generator().manual_seed(0)
    blurred = [
        replace(
            part, inputs=part.inputs + 2.0 * torch.randn(part.inputs.shape, generator=generator)
        )
        for part in (TRAIN, VAL)
    ]
    case = case_of(*blurred)
    found = labels.noise(case)
    assert not (isinstance(found, Sign) and found.confirmed)
    errors = case.record.evaluations[-1].accuracy
    assert errors < 0.85


def test_perplexity_by_hand():
    counts = Counter({0: 3, 1: 1})
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert normalised_perplexity(counts, 2) == pytest.approx(math.exp(entropy) / 2)
    assert normalised_perplexity(Counter({0: 5, 1: 5, 2: 5}), 3) == pytest.approx(1)


def unbalanced() -> Split:
    """Return digits with one picture in 50 of the classes 5 to 9."""
    place = torch.arange(len(TRAIN.labels))
    return chosen(TRAIN, (TRAIN.labels < 5) | (place % 50 == 0))


def test_imbalance_that_costs_recall_is_found():
    found = labels.imbalance(case_of(unbalanced(), VAL, steps=60))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["rare"] < 0.7 * found.measured["others"]


def test_a_class_that_is_called_by_another_is_missed():
    mistaken = TRAIN.labels.clone()
    ones = torch.nonzero(mistaken == 1)[:, 0]
    mistaken[ones[: len(ones) * 9 // 10]] = 0
    found = labels.imbalance(case_of(relabelled(TRAIN, mistaken), VAL, steps=150))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.where == ("class 1",)
    assert found.measured["perplexity"] > 0.7


def test_a_rare_class_that_is_recalled_is_well():
    rare = chosen(TRAIN, (TRAIN.labels != 0) | (torch.arange(900) < 180))
    case = case_of(rare, VAL, steps=250)
    found = labels.imbalance(case)
    assert case.trials.made["data-labels"].measured["rarest"] < 0.25
    assert case.trials.made["data-classes"].healthy
    assert isinstance(found, Well)


def test_imbalance_without_harm_is_an_observation(healthy):
    case = case_of(unbalanced(), VAL, network=healthy.subject.network(), steps=20)
    found = labels.imbalance(case)
    assert isinstance(found, Sign)
    assert not found.confirmed


def test_a_class_that_training_lacks_is_certain():
    found = labels.missing_class(case_of(chosen(TRAIN, TRAIN.labels != 3), VAL, steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.confidence == 1.0
    assert found.where == ("class 3",)


def test_outputs_without_pictures_are_an_observation():
    few = [chosen(part, part.labels < 8) for part in (TRAIN, VAL)]
    found = labels.missing_class(case_of(*few, steps=0))
    assert isinstance(found, Sign)
    assert not found.confirmed
    assert found.measured["unused"] == 2


@pytest.mark.parametrize("network", [True, False])
def test_validation_labels_that_are_rolled(network):
    rolled = relabelled(VAL, (VAL.labels + 1) % 10)
    found = labels.validation(case_of(TRAIN, rolled, steps=150 if network else 0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["after"] > 0.95
    assert len(found.where) == 10
    if network:
        assert found.measured["network_after"] > 0.9


def test_two_classes_that_are_exchanged():
    swapped = VAL.labels.clone()
    swapped[VAL.labels == 2] = 7
    swapped[VAL.labels == 7] = 2
    found = labels.validation(case_of(TRAIN, relabelled(VAL, swapped), steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.where == ("2 -> 7", "7 -> 2")


def test_validation_labels_that_are_mixed_up():
    found = labels.validation(case_of(TRAIN, relabelled(VAL, mixed(VAL.labels)), steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["mixed"] == 1.0


def test_noise_in_validation_and_a_poor_network_are_not_other_labels():
    case = case_of(TRAIN, with_noise(VAL, 0.4, pairwise=True), steps=3)
    assert isinstance(labels.validation(case), Well)
