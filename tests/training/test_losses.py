"""Losses: each against its formula in numpy, its gradient in float64, and its laws."""

import itertools
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.errors import UsageError
from hubel.options.train import LossName
from hubel.training.losses import DEFAULT_LOSS, TASKS, balance_weights, build_loss

OUTPUTS = np.random.default_rng(0).normal(0, 2, (5, 4))
CLASSES = np.array([0, 3, 1, 1, 2])
LABELS = np.random.default_rng(1).integers(0, 2, (5, 4))
NUMBERS = np.random.default_rng(2).normal(0, 2, (5, 4))
WEIGHTS = np.array([0.5, 2.0, 1.0, 3.0])


def ours(name, task, targets, outputs=OUTPUTS, **settings):
    loss = build_loss(name, task=task, **settings)
    return loss(torch.tensor(outputs), torch.tensor(targets)).numpy()


def softmax_loss(shares, smoothing, weights, gamma):
    exponentials = np.exp(OUTPUTS)
    p = exponentials / exponentials.sum(1, keepdims=True)
    t = (1 - smoothing) * shares + smoothing / 4
    return np.array(
        [
            sum(-weights[c] * t[n, c] * (1 - p[n, c]) ** gamma * np.log(p[n, c]) for c in range(4))
            for n in range(5)
        ]
    )


def sigmoid_loss(labels, smoothing, weights, gamma):
    p = 1 / (1 + np.exp(-OUTPUTS))
    t = (1 - smoothing) * labels + smoothing / 2
    yes = -weights * t * (1 - p) ** gamma * np.log(p)
    return (yes - (1 - t) * p**gamma * np.log(1 - p)).mean(1)


@pytest.mark.parametrize(
    ("smoothing", "weights", "gamma"),
    list(itertools.product((0.0, 0.2), (None, WEIGHTS), (0.0, 1.5))),
)
def test_classes_and_labels_against_their_formulas(smoothing, weights, gamma):
    given_weights = None if weights is None else torch.tensor(weights)
    plain = np.ones(4) if weights is None else weights
    settings = {"class_weights": given_weights, "label_smoothing": smoothing, "focal_gamma": gamma}
    shares = np.eye(4)[CLASSES]
    mixed = 0.3 * shares + 0.7 * shares[::-1]
    expected = softmax_loss(shares, smoothing, plain, gamma)
    soft = softmax_loss(mixed, smoothing, plain, gamma)
    labels = sigmoid_loss(LABELS, smoothing, plain, gamma)
    np.testing.assert_allclose(ours("focal", "classification", CLASSES, **settings), expected)
    np.testing.assert_allclose(ours("focal", "classification", mixed, **settings), soft)
    np.testing.assert_allclose(ours("focal", "multilabel", LABELS, **settings), labels)
    if gamma == 0:
        np.testing.assert_allclose(
            ours("cross-entropy", "classification", CLASSES, **settings), expected
        )
        np.testing.assert_allclose(ours("cross-entropy", "classification", mixed, **settings), soft)
        np.testing.assert_allclose(ours("bce", "multilabel", LABELS, **settings), labels)


def test_cross_entropy_ignores_the_focal_exponent():
    expected = ours("cross-entropy", "classification", CLASSES, focal_gamma=0.0)
    np.testing.assert_array_equal(
        ours("cross-entropy", "classification", CLASSES, focal_gamma=5.0), expected
    )


def test_numbers_against_their_formulas():
    error = OUTPUTS - NUMBERS
    small = np.abs(error) < 1
    assert small.any()
    assert not small.all()
    np.testing.assert_allclose(ours("mse", "regression", NUMBERS), (error**2).mean(1))
    np.testing.assert_allclose(ours("l1", "regression", NUMBERS), np.abs(error).mean(1))
    smooth = np.where(small, error**2 / 2, np.abs(error) - 0.5)
    np.testing.assert_allclose(ours("smooth-l1", "regression", NUMBERS), smooth.mean(1))


TARGETS = {"classification": CLASSES, "multilabel": LABELS, "regression": NUMBERS}


@pytest.mark.parametrize(
    ("name", "task"), [(name, task) for name, tasks in TASKS.items() for task in tasks]
)
@pytest.mark.parametrize("extreme", [1.0, 300.0])
def test_gradients_are_right_and_always_finite(name, task, extreme):
    loss = build_loss(name, task=task, focal_gamma=0.5)
    outputs = torch.tensor(OUTPUTS * extreme, requires_grad=True)
    targets = torch.tensor(TARGETS[task])
    if extreme == 1.0:
        assert torch.autograd.gradcheck(lambda x: loss(x, targets), (outputs,))
    single = torch.tensor(OUTPUTS * extreme, dtype=torch.float32, requires_grad=True)
    values = loss(single, targets)
    values.sum().backward()
    assert values.shape == (5,)
    assert values.isfinite().all()
    assert single.grad.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(gammas=st.tuples(st.floats(0, 5), st.floats(0, 5)))
def test_a_greater_exponent_never_gives_a_greater_focal_loss(gammas):
    low, high = sorted(gammas)
    for task in ("classification", "multilabel"):
        less = ours("focal", task, TARGETS[task], focal_gamma=high)
        more = ours("focal", task, TARGETS[task], focal_gamma=low)
        assert (less <= more + 1e-12).all()


def test_balance_weights_of_classes():
    weights = balance_weights(np.array([0, 0, 0, 2]), 3)
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 0.0, 4 / (2 * 1)])
    assert weights.dtype == torch.float32


@settings(max_examples=30, deadline=None)
@given(labels=st.lists(st.integers(0, 6), min_size=1, max_size=50))
def test_the_mean_weight_over_pictures_is_one_and_classes_weigh_the_same(labels):
    array = np.array(labels)
    weights = balance_weights(array, 7).numpy()
    assert weights[array].mean() == pytest.approx(1.0, rel=1e-5)
    totals = [weights[array[array == c]].sum() for c in set(labels)]
    assert totals == pytest.approx([totals[0]] * len(totals), rel=1e-5)


def test_balance_weights_of_labels():
    labels = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]], dtype=np.uint8)
    assert balance_weights(labels, 3).tolist() == pytest.approx([3.0, 1.0, 0.25])


def test_tables_have_every_name_that_a_user_may_set():
    assert set(TASKS) == set(LossName.__args__)
    assert all(task in TASKS[loss] for task, loss in DEFAULT_LOSS.items())


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("focl", {"task": "classification"}, "There is no loss 'focl': did you mean focal"),
        (
            "mse",
            {"task": "multilabel"},
            "--loss mse does not fit a multilabel task; losses that do: bce, focal.",
        ),
        (
            "focal",
            {"task": "classification", "label_smoothing": 1.0},
            "--label-smoothing must be from 0 to below 1, not 1",
        ),
        (
            "focal",
            {"task": "classification", "focal_gamma": -1.0},
            "--focal-gamma must be 0 or more, not -1",
        ),
        (
            "l1",
            {"task": "regression", "label_smoothing": 0.1},
            "--label-smoothing does not fit --loss l1: numbers have no classes",
        ),
        (
            "l1",
            {"task": "regression", "class_weights": torch.ones(2)},
            "--balance weights does not fit --loss l1: numbers have no classes",
        ),
    ],
)
def test_refusals(name, settings, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        build_loss(name, **settings)
