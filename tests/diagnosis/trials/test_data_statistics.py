"""The statistics of tests on data, each worked out again by another way."""

import copy
import math

import numpy as np
import pytest
import torch
from tests.diagnosis.labels_subjects import PicturesSubject, Split, digits, small_network
from tests.pictures import crop
from torch import nn

from hubel.diagnosis.evidence.setting import LossFact, Setting
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.data_agreement import agreement
from hubel.diagnosis.trials.data_copies import copies
from hubel.diagnosis.trials.data_layout import neighbours_alike, reread
from hubel.diagnosis.trials.data_noise import confidently_wrong, wilson
from hubel.diagnosis.trials.data_reading import (
    class_numbers,
    network_features,
    outputs_of,
    predictions_of,
    read,
)
from hubel.diagnosis.trials.data_shift import mapped, mcnemar, statistics
from hubel.diagnosis.trials.data_validation_labels import exchanged

LOOP = Setting(origin="loop", task="classification")


def test_wilson_is_where_the_test_of_a_share_just_rejects():
    low, high = wilson(7, 40, 2.0)
    for end in (low, high):
        assert abs(7 / 40 - end) / math.sqrt(end * (1 - end) / 40) == pytest.approx(2.0)


def test_confident_learning_by_hand():
    shares = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.55, 0.45], [0.05, 0.95]])
    labels = np.array([0, 0, 1, 1, 1, 0])
    # thresholds: class 0: (.9 + .7 + .05) / 3 = .55, class 1: (.8 + .9 + .45) / 3 = .717
    assert confidently_wrong(shares, labels).tolist() == [False, False, False, False, True, True]


def test_mcnemar_by_hand():
    before = np.array([True, True, False, False, False])
    after = np.array([True, False, True, True, False])
    gain, z = mcnemar(before, after)
    assert gain == pytest.approx(1 / 5)
    assert z == pytest.approx((2 - 1) / math.sqrt(3))


def test_agreement_counts_neighbours():
    features = np.concatenate([np.zeros((20, 2)), np.full((20, 2), 9.0)])
    features += np.random.default_rng(0).normal(size=features.shape) * 0.1
    labels = np.repeat([0, 1], 20)
    share, z = agreement(features, labels)
    assert share == 1.0
    assert z > 10
    share, z = agreement(features, np.tile([0, 1], 20))
    assert abs(z) < 3


def test_exchanged_finds_the_renaming():
    labels = np.repeat([0, 1, 2, 3], 10)
    predicted = np.array([0, 2, 1, 3])[labels]
    predicted[0] = 3
    rename, after, before, number = exchanged(labels, predicted, 4)
    assert rename.tolist() == [0, 2, 1, 3]
    assert (after, before, number) == (1.0, 0.0, 20)
    assert exchanged(labels, labels, 4)[3] == 0


def test_statistics_and_mapping():
    inputs = torch.rand(40, 3, 6, 6) * torch.tensor([1.0, 5.0, 9.0]).reshape(1, 3, 1, 1)
    mean, std, error = statistics(inputs)
    array = inputs.numpy().astype(float)
    assert mean.numpy() == pytest.approx(array.mean((0, 2, 3)))
    assert std.numpy() == pytest.approx(array.std((0, 2, 3)), rel=1e-3)
    assert error.numpy() == pytest.approx(array.mean((2, 3)).std(0, ddof=1) / math.sqrt(40))
    wanted = (torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0]))
    moved = statistics(mapped(inputs, (mean, std), wanted))
    assert moved[0].tolist() == pytest.approx([1, 2, 3], abs=1e-4)
    assert moved[1].tolist() == pytest.approx([4, 5, 6], abs=1e-4)


def test_neighbours_of_a_picture_are_alike_until_it_is_viewed():
    pictures = np.stack([np.asarray(crop(kind, number)) for kind in (0, 1) for number in range(8)])
    whole = torch.from_numpy(pictures.astype(np.float32))
    right = whole.permute(0, 3, 1, 2)
    wrong = whole.view(16, 3, 24, 24)
    assert min(neighbours_alike(right)) > 0.7
    assert min(neighbours_alike(wrong)) < 0.6
    assert torch.equal(reread(wrong), right)


def test_correlation_of_neighbours_on_a_checkerboard_is_minus_1():
    board = torch.arange(8)[:, None].add(torch.arange(8)).remainder(2).float()
    assert neighbours_alike(board.reshape(1, 1, 8, 8)) == pytest.approx((-1.0, -1.0))


def test_copies_are_exact_or_verified_on_pixels():
    pictures = np.stack([np.asarray(crop(k, n, 32)) for k in (0, 1) for n in range(20)])
    every = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 255
    train, val = every[:30], every[30:].clone()
    val[0] = train[7]
    val[1] = train[9] * 0.97 + 0.01
    val[2] = 0.5
    exact, near = copies(torch.cat([train, torch.full((1, 3, 32, 32), 0.5)]), val)
    assert exact.tolist() == [7] + [-1] * 9
    assert near.tolist() == [-1, 9] + [-1] * 8


@pytest.mark.parametrize(
    ("targets", "numbers"),
    [
        (torch.tensor([1, 0, 2]), [1, 0, 2]),
        (torch.tensor([[1.0], [0.0]]), [1, 0]),
        (torch.tensor([[0.0, 1.0], [1.0, 0.0]]), [1, 0]),
        (torch.tensor([[1.0, 1.0], [1.0, 0.0]]), None),
        (torch.tensor([0.5, 1.0]), None),
        (torch.zeros(2, 3, 4), None),
    ],
)
def test_class_numbers(targets, numbers):
    found = class_numbers(targets)
    assert (None if found is None else found.tolist()) == numbers


def test_other_tasks_are_not_judged():
    subject = PicturesSubject(*digits(), small_network())
    setting = Setting(origin="loop", task="regression")
    assert isinstance(read(setting, subject, "train"), Unknown)
    alone = PicturesSubject(digits()[0], None, small_network())
    assert read(LOOP, alone, "val") == Unknown(why="the validation pictures are not at hand")


class Auxiliary(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.head = nn.Linear(4, 3)
        self.other = nn.Linear(4, 3)

    def forward(self, pictures):
        pooled = self.body(pictures).mean((2, 3))
        return {"out": self.head(pooled), "aux": pooled}


def test_the_network_is_left_as_it_was():
    module = Auxiliary().train()
    module.body[0].eval()
    before = copy.deepcopy(module.state_dict())
    state = torch.get_rng_state()
    inputs = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert outputs_of(module, inputs).shape == (5, 3)
    assert network_features(module, inputs).shape == (5, 4)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert [one.training for one in module.modules()][:3] == [True, True, False]
    assert not any(one._forward_pre_hooks for one in module.modules())


def test_hooks_and_modes_are_restored_after_an_exception():
    module = Auxiliary().train()
    with pytest.raises(RuntimeError):
        network_features(module, torch.rand(5, 2, 8, 8))
    assert all(one.training for one in module.modules())
    assert not any(one._forward_pre_hooks for one in module.modules())


@pytest.mark.parametrize(("kind", "said"), [("bce", [0, 1]), ("bce-logits", [1, 1])])
def test_a_single_output_is_read_by_its_loss(kind, said):
    loss = LossFact(kind=kind, reduction="mean", negated=False, activations=(), chain=())
    setting = Setting(origin="loop", task="classification", loss=loss)
    module = nn.Identity()
    assert predictions_of(setting, module, torch.tensor([[0.2], [0.8]])).tolist() == said


def test_a_split_without_labels_of_classes_is_unknown():
    train, _ = digits()
    numbers = Split(inputs=train.inputs, labels=train.labels + 0.5)
    subject = PicturesSubject(numbers, None, small_network())
    assert read(LOOP, subject, "train") == Unknown(why="the targets are no class numbers")
