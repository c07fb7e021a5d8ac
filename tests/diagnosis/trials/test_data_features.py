"""Simple features and the regression that leaves each picture out."""

import numpy as np
import pytest
import torch
from tests.diagnosis.labels_subjects import digits

from hubel.diagnosis.trials.data_features import (
    described,
    projection,
    simple_features,
    standardised,
)
from hubel.diagnosis.trials.data_regression import regress


def test_standardised_pictures_have_mean_0_and_deviation_1_a_channel():
    inputs = torch.rand(7, 3, 5, 4) * torch.tensor([1.0, 9.0, 200.0]).reshape(1, 3, 1, 1) + 3
    values = standardised(inputs)
    for channel in range(3):
        flat = values[:, channel].numpy().ravel()
        assert flat.mean() == pytest.approx(0, abs=1e-6)
        assert flat.std() == pytest.approx(1, abs=1e-6)


def test_what_is_not_finite_becomes_the_mean():
    inputs = torch.tensor([[1.0, 3.0], [float("nan"), float("inf")]]).reshape(2, 1, 1, 2)
    assert standardised(inputs).flatten().tolist() == pytest.approx([-1, 1, 0, 0])


def test_features_do_not_change_with_gain_and_offset():
    inputs = digits()[0].inputs[:50].double()
    assert np.allclose(described(inputs), described(inputs * 40 + 7), atol=1e-5)


@pytest.mark.parametrize("shape", [(30, 1, 8, 8), (30, 3, 40, 33), (30, 1, 28, 28), (30, 17)])
def test_features_are_finite_and_few(shape):
    values = simple_features(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
    assert values.shape[0] == 30
    assert values.shape[1] <= 64
    assert np.isfinite(values).all()


def test_edges_tell_the_direction():
    stripes = torch.arange(28).remainder(4).lt(2).float()
    across = stripes.reshape(1, 1, 1, 28).expand(1, 1, 28, 28)
    values = described(torch.cat([across, across.transpose(2, 3)]))[:, 14 * 14 :]
    first, second = values.reshape(2, 8, 49).sum(2)
    assert first.argmax() == 0  # a gradient along x
    assert second.argmax() == 4  # along y: a right angle further


@pytest.mark.parametrize("shape", [(40, 10), (10, 40)])
def test_projection_keeps_the_directions_that_vary_most(shape):
    random = np.random.default_rng(0)
    values = random.normal(size=shape)
    values[:, 3] *= 50
    mapped = projection(values, components=2)(values)
    assert abs(np.corrcoef(mapped[:, 0], values[:, 3])[0, 1]) > 0.999
    # one common scale: the mean square length is 1
    assert np.mean((mapped**2).sum(1)) == pytest.approx(1)


def test_left_out_predictions_are_those_of_a_regression_without_the_picture():
    random = np.random.default_rng(1)
    features = random.normal(size=(25, 3))
    labels = (features[:, 0] > 0).astype(np.int64)
    found = regress(features, labels, 2)
    distances = ((features[:, None] - features[None]) ** 2).sum(2)
    kernel = np.exp(-distances / np.median(distances))
    targets = np.eye(2)[labels] - np.bincount(labels) / 25
    best = []
    for penalty in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0):
        outs = np.zeros((25, 2))
        for left in range(25):
            rest = np.delete(np.arange(25), left)
            weights = np.linalg.solve(
                kernel[np.ix_(rest, rest)] + penalty * np.eye(24), targets[rest]
            )
            outs[left] = kernel[left, rest] @ weights
        best.append((((outs - targets) ** 2).mean(), outs))
    outs = min(best, key=lambda one: one[0])[1] + np.bincount(labels) / 25
    clipped = np.clip(outs, 1e-6, None)
    assert np.allclose(found.left_out, clipped / clipped.sum(1, keepdims=True), atol=2e-2)


def test_a_regression_reads_other_digits():
    train, val = digits()
    raw = described(train.inputs[:500])
    basis = projection(raw)
    fitted = regress(basis(raw), train.labels[:500].numpy(), 10)
    said = fitted(basis(described(val.inputs))).argmax(1)
    assert (said == val.labels.numpy()).mean() > 0.95
