"""Symptoms of sets of pictures: on a training that has each, and on one that only looks like it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.diagnosis.labels_subjects import (
    PicturesSubject,
    Split,
    batch_row,
    case_of,
    digits,
)
from torch import nn

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.symptoms import labels, picture_sets, pictures
from hubel.diagnosis.symptoms.picture_sets import clumping

TRAIN, VAL = digits()
LOOP = Setting(origin="loop", task="classification")


def hidden(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Put another picture's pixels over most of each picture."""
    order = torch.randperm(len(inputs), generator=generator)
    return torch.cat([inputs[:, :, :1], inputs[order][:, :, 1:]], dim=2)


def moved(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move each picture by at most one pixel."""
    steps = torch.randint(-1, 2, (len(inputs),), generator=generator).tolist()
    return torch.stack([one.roll(step, 2) for one, step in zip(inputs, steps, strict=True)])


def test_augmentation_that_destroys_labels_is_found():
    found = picture_sets.augmentation(case_of(replace(TRAIN, augment=hidden), VAL))
    assert isinstance(found, Sign)
    assert found.confirmed


def test_what_augmentation_explains_is_no_fault_of_labels_or_of_pixels():
    case = case_of(replace(TRAIN, augment=noisy), VAL)
    assert not case.trials.make("data-layout").healthy
    assert not pictures.layout(case).confirmed
    found = labels.noise(case)
    assert case.trials.made["data-noise"].measured["borne_out"]
    assert not found.confirmed
    assert "augmented" in found.evidence


def noisy(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Add noise of three standard deviations."""
    return inputs + 3 * torch.randn(inputs.shape, generator=generator)


def test_augmentation_that_a_simple_classifier_suffers_from_too_is_found():
    case = case_of(replace(TRAIN, augment=noisy), VAL)
    behind = {**case.trials.make("data-augmentation").measured, "network_plain": 0.8}
    made = replace(case.trials.made["data-augmentation"], measured=behind)
    case.trials.made["data-augmentation"] = made
    case.__dict__["harm"] = replace(case.harm, suffers=False)
    assert picture_sets.augmentation(case).confirmed
    case.trials.made["data-augmentation"] = replace(
        made, measured={**behind, "network_plain": 0.95}
    )
    assert not picture_sets.augmentation(case).confirmed


def test_augmentation_that_keeps_labels_is_well():
    assert isinstance(
        picture_sets.augmentation(case_of(replace(TRAIN, augment=moved), VAL, steps=0)), Well
    )


def test_strong_augmentation_that_does_no_harm_is_an_observation(trained):
    case = case_of(replace(TRAIN, augment=hidden), VAL, network=trained, steps=0)
    found = picture_sets.augmentation(case)
    assert isinstance(found, Sign)
    assert not found.confirmed


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return case_of(TRAIN, VAL).subject.network()


def test_plain_pictures_say_nothing_of_augmentation():
    found = picture_sets.augmentation(case_of(TRAIN, VAL, steps=0))
    assert found == Unknown(why="the training pictures are at hand only without augmentation")


def test_validation_that_changes_from_read_to_read_is_certain():
    found = picture_sets.augmented_validation(case_of(TRAIN, replace(VAL, augment=moved), steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.confidence == 1.0


def test_without_reading_again_it_is_not_known():
    case = case_of(TRAIN, VAL, steps=0, rereads=False)
    assert isinstance(picture_sets.augmented_validation(case), Unknown)


def test_noise_below_what_one_sees_is_no_change():
    def rounded(inputs, generator):
        return inputs + 0.01 * torch.rand(inputs.shape, generator=generator)

    case = case_of(TRAIN, replace(VAL, augment=rounded), steps=0)
    assert isinstance(picture_sets.augmented_validation(case), Well)


def test_clumping_by_hand():
    batches = [np.array([0, 0, 1]), np.array([1, 1, 1])]
    # pairs within: (0, 0) agrees, 2 do not; all 3 agree: 4 of 6. Among all labels: 0 0 1 1 1 1 has
    # 1 + 6 of 15 pairs.
    share, _ = clumping(batches)
    assert share == pytest.approx((4 / 6 - 7 / 15) / (1 - 7 / 15))


def sorted_by_label() -> Split:
    order = torch.argsort(TRAIN.labels, stable=True)
    return Split(inputs=TRAIN.inputs[order], labels=TRAIN.labels[order])


def test_pictures_sorted_by_label_are_found():
    found = picture_sets.unshuffled(case_of(sorted_by_label(), VAL, in_order=True))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["sorted"] > 0.5


def test_no_shuffling_of_pictures_in_a_chance_order_is_well():
    found = picture_sets.unshuffled(case_of(TRAIN, VAL, in_order=True))
    assert isinstance(found, Well)
    assert "does not shuffle" in found.evidence


def test_batches_of_a_single_label_are_found_where_others_are_known():
    rows = [batch_row(n, torch.rand(4, 1, 4, 4), torch.zeros(4).long()) for n in range(5)]
    setting = replace(LOOP, shuffled=False)
    found = picture_sets.unshuffled(Case(replace(setting, classes=10), Record(batches=rows)))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert isinstance(picture_sets.unshuffled(Case(setting, Record(batches=rows))), Unknown)


def test_few_classes_and_balanced_batches_are_well():
    random = np.random.default_rng(0)
    two = [torch.from_numpy(random.integers(0, 2, 8)) for _ in range(20)]
    balanced = [torch.arange(10).repeat(2) for _ in range(20)]
    for batches in (two, balanced):
        rows = [batch_row(n, torch.rand(1, 1, 4, 4), one) for n, one in enumerate(batches)]
        case = Case(replace(LOOP, shuffled=False), Record(batches=rows))
        assert isinstance(picture_sets.unshuffled(case), Well)


def test_validation_pictures_that_stand_in_training_are_named():
    inputs = VAL.inputs.clone()
    inputs[5:25] = TRAIN.inputs[300:320]
    found = picture_sets.leakage(case_of(TRAIN, replace(VAL, inputs=inputs), steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.where[0] == "5 = 300"
    assert found.measured["exact"] == 20


def test_near_copies_of_small_pictures_are_found():
    inputs = VAL.inputs.clone()
    noise = torch.rand((100, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    inputs[:100] = TRAIN.inputs[:100] * 0.97 + 0.02 * noise
    found = picture_sets.leakage(case_of(TRAIN, replace(VAL, inputs=inputs), steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["found"] >= 100
    assert found.measured["exact"] == 0


def test_pictures_that_are_all_alike_are_no_copies():
    smooth = torch.arange(8.0)[:, None] + torch.zeros(8)
    generator = torch.Generator().manual_seed(0)
    alike = [
        replace(part, inputs=smooth + 0.01 * torch.rand(part.inputs.shape, generator=generator))
        for part in (TRAIN, VAL)
    ]
    assert isinstance(picture_sets.leakage(case_of(*alike, steps=0)), Well)


def test_a_single_copy_is_a_note():
    inputs = VAL.inputs.clone()
    inputs[5] = TRAIN.inputs[300]
    found = picture_sets.leakage(case_of(TRAIN, replace(VAL, inputs=inputs), steps=0))
    assert isinstance(found, Sign)
    assert not found.confirmed
    assert found.severity == "note"


def test_too_few_pictures_are_found_where_more_would_help():
    few = Split(inputs=TRAIN.inputs[:80], labels=TRAIN.labels[:80])
    found = picture_sets.too_few(case_of(few, VAL, steps=200, batch=16))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["gap"] > 0.1


def test_repeated_pictures_do_not_count_twice():
    repeated = Split(
        inputs=TRAIN.inputs[:80].repeat(14, 1, 1, 1), labels=TRAIN.labels[:80].repeat(14)
    )
    found = picture_sets.too_few(case_of(repeated, VAL, steps=200, batch=16))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["each"] == pytest.approx(8)
    assert "8 different" in found.evidence


def test_few_pictures_without_a_gap_are_well():
    zeros_and_ones = [
        Split(inputs=part.inputs[part.labels < 2][:80], labels=part.labels[part.labels < 2][:80])
        for part in (TRAIN, VAL)
    ]
    assert isinstance(picture_sets.too_few(case_of(*zeros_and_ones, steps=100, batch=16)), Well)


def test_tests_leave_the_subject_and_the_random_state_alone():
    case = case_of(TRAIN, VAL, steps=4)
    assert isinstance(case.subject, PicturesSubject)
    before = {name: value.clone() for name, value in case.subject.module.state_dict().items()}
    state = torch.get_rng_state()
    for symptom in pictures.SYMPTOMS:
        symptom.find(case)
    assert torch.equal(state, torch.get_rng_state())
    after = case.subject.module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
