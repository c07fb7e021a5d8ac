"""Symptoms of pictures: on a training that has each, and on one that only looks like it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.diagnosis.labels_subjects import (
    Split,
    batch_row,
    case_of,
    digits,
    small_network,
)
from tests.pictures import crop
from torch import nn

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.symptoms import pictures
from hubel.diagnosis.symptoms.pictures import Values, normalised_twice, values_of
from hubel.diagnosis.trials import data_shift
from hubel.diagnosis.trials.trial import Trial

TRAIN, VAL = digits()
LOOP = Setting(origin="loop", task="classification")


def changed(split: Split, gain: float, offset: float) -> Split:
    return replace(split, inputs=split.inputs * gain + offset)


def unit(split: Split) -> Split:
    """Return the split with values from 0 to 1."""
    low, high = TRAIN.inputs.min(), TRAIN.inputs.max()
    return replace(split, inputs=(split.inputs - low) / (high - low))


def photographs(viewed: bool) -> tuple[Split, Split]:
    """Return crops of two photographs, in the order of channels that belongs to them or not."""
    splits = []
    for first in (0, 60):
        crops = [np.asarray(crop(n % 2, first + n, 16)) for n in range(60)]
        whole = torch.from_numpy(np.stack(crops).astype(np.float32)) / 128 - 1
        inputs = whole.view(60, 3, 16, 16) if viewed else whole.permute(0, 3, 1, 2)
        splits.append(Split(inputs=inputs.contiguous(), labels=torch.arange(60) % 2))
    return splits[0], splits[1]


@pytest.mark.parametrize("symptom", pictures.SYMPTOMS, ids=lambda one: one.id)
def test_without_pictures_nothing_is_said(symptom):
    assert isinstance(symptom.find(Case(LOOP, Record())), Unknown)


def test_values_over_batches_by_hand():
    parts = [torch.rand(8, 2, 4, 4) * 3, torch.rand(8, 2, 4, 4) * 3]
    rows = [batch_row(step, part, torch.zeros(8).long()) for step, part in enumerate(parts)]
    values = values_of([*rows, replace(rows[0], finite=False), replace(rows[0], split="val")])
    both = torch.cat(parts)
    assert values.mean == pytest.approx(float(both.mean()), abs=1e-5)
    assert values.std == pytest.approx(float(both.std()), rel=0.02)
    assert (values.low, values.high) == (float(both.min()), float(both.max()))


def test_raw_values_that_cost_the_training_are_found():
    raw = [changed(unit(part), 255, 0) for part in (TRAIN, VAL)]
    found = pictures.value_range(case_of(*raw, steps=8))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "0 to 255" in found.what


def test_raw_values_before_a_normalisation_layer_are_well():
    raw = [changed(unit(part), 255, 0) for part in (TRAIN, VAL)]
    network = nn.Sequential(nn.BatchNorm2d(1), *small_network())
    found = pictures.value_range(case_of(*raw, steps=8, network=network))
    assert isinstance(found, Well)
    assert "BatchNorm2d" in found.evidence


@pytest.mark.parametrize(
    ("share", "suffers", "everywhere", "answer"),
    [
        (0.5, True, True, "alarm"),
        (0.5, False, True, "observation"),
        (0.5, False, False, "alarm"),
        (0.1, True, False, "well"),
    ],
)
def test_blank_pictures_are_an_alarm_where_they_do_harm_or_are_of_training_alone(
    share, suffers, everywhere, answer
):
    def blanked(part):
        inputs = part.inputs.clone()
        inputs[: round(share * len(inputs))] = -0.8
        return replace(part, inputs=inputs)

    case = case_of(blanked(TRAIN), blanked(VAL) if everywhere else VAL, steps=4)
    case.__dict__["harm"] = replace(case.harm, suffers=suffers)
    found = pictures.value_range(case)
    if answer == "well":
        assert isinstance(found, Well)
        return
    assert isinstance(found, Sign)
    assert found.confirmed is (answer == "alarm")
    assert found.measured["blank"] == pytest.approx(share, abs=0.01)


def test_a_picture_of_one_colour_is_blank():
    colours = torch.tensor([-2.0, -1.9, -1.7])[:, None, None]
    inputs = TRAIN.inputs.repeat(1, 3, 1, 1)
    inputs[::2] = colours
    case = case_of(
        replace(TRAIN, inputs=inputs), replace(VAL, inputs=VAL.inputs.repeat(1, 3, 1, 1))
    )
    found = pictures.value_range(case)
    assert found.measured["blank"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("offset", "z", "proven"),
    [(2.0, 2.5, True), (2.0, 1.5, False), (0.3, 2.5, False), (0.3, 3.5, True), (0.0, 3.5, False)],
)
def test_the_further_validation_is_off_the_less_a_gain_must_show(offset, z, proven, monkeypatch):
    monkeypatch.setattr(data_shift, "_gains", lambda *_, **__: {"it": (0.08, z)})
    case = case_of(TRAIN, changed(VAL, 1.0, offset), steps=0)
    assert case.trials.make("data-shift").measured["proven"] == proven


@pytest.mark.parametrize(("later", "confirmed"), [(False, True), (True, False)])
def test_harm_of_raw_values_may_take_longer_to_be_seen(later, confirmed):
    raw = [changed(unit(part), 255, 0) for part in (TRAIN, VAL)]
    case = case_of(*raw, steps=40)
    for name, healthy in (("data-scale", True), ("data-scale-later", later)):
        case.trials.made[name] = Trial(
            name=name, healthy=healthy, evidence=name, measured={"gain": 0.01, "z": 1.0}
        )
    case.__dict__["harm"] = replace(case.harm, suffers=True)
    found = pictures.value_range(case)
    assert isinstance(found, Sign)
    assert found.confirmed is confirmed
    assert ("data-scale-later" in found.evidence) is confirmed


def test_raw_values_that_cost_nothing_are_an_observation():
    raw = [changed(unit(part), 255, 0) for part in (TRAIN, VAL)]
    parts = list(small_network())
    network = nn.Sequential(parts[0], nn.BatchNorm2d(16), *parts[1:])
    found = pictures.value_range(case_of(*raw, steps=100, network=network))
    assert isinstance(found, Sign)
    assert not found.confirmed


@pytest.mark.parametrize(
    ("mean", "deviation"), [(0.1307, 0.3081), (0.456, 0.224), (0.5, 0.5), (0.2860, 0.3530)]
)
def test_values_after_normalising_twice_are_recognised(mean, deviation):
    data = np.random.default_rng(0).choice([0.0, 1.0], size=4000, p=[1 - mean, mean])
    # values from 0 to 1 of this mean and deviation
    data = np.clip((data - data.mean()) / data.std() * min(deviation, 0.45) + mean, 0, 1)
    data[:2] = 0, 1

    def values(times):
        seen = data
        for _ in range(times):
            seen = (seen - mean) / deviation
        return Values(low=seen.min(), high=seen.max(), mean=seen.mean(), std=seen.std())

    assert normalised_twice(values(2))
    assert not normalised_twice(values(1))
    assert not normalised_twice(values(0))


def test_values_divided_by_255_twice_cost_the_training():
    tiny = [changed(unit(part), 1 / 255, 0) for part in (TRAIN, VAL)]
    found = pictures.double_normalised(case_of(*tiny, steps=8))
    assert isinstance(found, Sign)
    assert found.confirmed


def test_other_normalisation_in_validation_is_proven_by_mapping_it_back():
    found = pictures.validation_mismatch(case_of(TRAIN, changed(VAL, 0.2, 1.0)))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.measured["gain"] > 0.02


def test_statistics_that_differ_without_harm_are_an_observation():
    network = nn.Sequential(nn.InstanceNorm2d(1), *small_network())
    found = pictures.validation_mismatch(case_of(TRAIN, changed(VAL, 2.0, 1.0), network=network))
    assert isinstance(found, Sign)
    assert not found.confirmed


@pytest.mark.parametrize("wrong", ["val", "train"])
def test_bright_and_dark_exchanged_are_proven_by_exchanging_them_back(wrong):
    train, val = (changed(part, -1, 1) if wrong == name else part
                  for name, part in (("train", TRAIN), ("val", VAL)))  # fmt: skip
    found = pictures.validation_mismatch(case_of(train, val))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "Bright and dark" in found.what


def test_validation_of_another_kind_is_an_alarm_where_the_network_fails_on_it_alone():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(VAL.inputs.shape, generator=generator)
    for offset, confirmed in ((3.0, True), (0.0, False)):
        strange = replace(VAL, inputs=noise + offset)
        case = case_of(TRAIN, strange)
        found = pictures.validation_mismatch(case)
        assert (isinstance(found, Sign) and found.confirmed) is confirmed
        assert bool(case.trials.made["data-shift"].measured["far"]) is confirmed


def test_few_pictures_known_by_heart_are_no_other_kind():
    few = replace(TRAIN, inputs=TRAIN.inputs[:40].repeat(20, 1, 1, 1),
                  labels=TRAIN.labels[:40].repeat(20))  # fmt: skip
    found = pictures.validation_mismatch(case_of(few, VAL))
    assert not (isinstance(found, Sign) and found.confirmed)


def coloured(split: Split) -> Split:
    """Return digits whose class tells in which of two colours they are."""
    hue = torch.tensor([[1.0, 0.3, 0.0], [0.0, 0.3, 1.0]])[split.labels % 2]
    inputs = (split.inputs + 0.8) * hue[:, :, None, None]
    return replace(split, inputs=inputs - 0.3)


def test_channels_in_the_opposite_order_are_found():
    train, val = coloured(TRAIN), coloured(VAL)
    found = pictures.validation_mismatch(case_of(train, replace(val, inputs=val.inputs.flip(1))))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "another order" in found.what
    assert isinstance(pictures.validation_mismatch(case_of(train, val)), Well)


def test_a_view_in_place_of_a_permutation_is_found():
    found = pictures.layout(case_of(*photographs(viewed=True), steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "viewed" in found.what


def test_rows_of_the_wrong_length_are_found_in_a_training_that_learns():
    def misread(part):
        wide = part.inputs.flatten(2).roll(3, 2)
        rows = [wide.roll(-row * 3, 2)[..., row * 8 : row * 8 + 8] for row in range(8)]
        return replace(part, inputs=torch.stack(rows, dim=2))

    found = pictures.layout(case_of(misread(TRAIN), misread(VAL), steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "wrong length" in found.what


@pytest.mark.parametrize("down", [True, False])
def test_stripes_are_no_rows_of_the_wrong_length(down):
    stripes = torch.randn(900, 1, 8, 1, generator=torch.Generator().manual_seed(0)).expand(
        -1, -1, 8, 8
    )
    stripes = stripes + 0.1 * TRAIN.inputs
    part = replace(TRAIN, inputs=stripes.mT.contiguous() if down else stripes.contiguous())
    assert isinstance(pictures.layout(case_of(part, VAL, steps=0)), Well)


def test_photographs_in_order_are_well():
    assert isinstance(pictures.layout(case_of(*photographs(viewed=False), steps=0)), Well)


@pytest.mark.parametrize("suffers", [True, False])
def test_scrambled_pixels_are_an_alarm_only_where_the_training_suffers(suffers):
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    scrambled = [
        replace(part, inputs=part.inputs.flatten(2)[..., order].reshape(part.inputs.shape))
        for part in (TRAIN, VAL)
    ]
    case = case_of(*scrambled, steps=40)
    if not suffers:  # What a simple classifier reaches is reached.
        low = {**case.trials.made["reference"].measured, "accuracy": 0.4}
        case.trials.made["reference"] = replace(case.trials.made["reference"], measured=low)
    found = pictures.layout(case)
    assert isinstance(found, Sign)
    assert found.confirmed is suffers


def test_pictures_with_nan_are_named():
    inputs = TRAIN.inputs.clone()
    inputs[17, 0, 2, 3] = float("nan")
    inputs[800, 0, 0, 0] = float("inf")
    found = pictures.non_finite(case_of(replace(TRAIN, inputs=inputs), VAL, steps=0))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert found.where == ("train 17", "train 800")


def test_a_batch_that_is_not_finite_is_enough():
    row = batch_row(1, torch.full((2, 1, 4, 4), float("nan")), torch.zeros(2).long())
    found = pictures.non_finite(Case(LOOP, Record(batches=[row])))
    assert isinstance(found, Sign)
    assert found.confirmed
    well = pictures.non_finite(Case(LOOP, Record(batches=[replace(row, finite=True)])))
    assert isinstance(well, Well)
