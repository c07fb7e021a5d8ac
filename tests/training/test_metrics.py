import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from hubel.training.metrics import (
    class_scores,
    classification_metrics,
    confusion,
    most_confused,
    picture_losses,
    probabilities,
    ranks,
    score,
)

CLASSES = tuple("abcdefg")


def sample(seed=0, pictures=60, classes=7):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, pictures)
    logits = generator.normal(size=(pictures, classes)).astype(np.float32)
    logits[np.arange(pictures), truth] += 1.0
    return logits, truth


few_logits = st.tuples(st.integers(1, 12), st.integers(2, 7)).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float32, shape, elements=st.integers(-3, 3).map(float)),
        hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)),
    )
)


@given(few_logits)
def test_rank_is_the_place_in_a_stable_sort(drawn):
    logits, truth = drawn
    for row, target, rank in zip(logits, truth, ranks(logits, truth), strict=True):
        order = sorted(range(len(row)), key=lambda index: (-row[index], index))
        assert order.index(target) == rank
        assert (rank == 0) == (row.argmax() == target)


@given(few_logits)
def test_confusion_rows_are_support_and_its_trace_accuracy(drawn):
    logits, truth = drawn
    classes = CLASSES[: logits.shape[1]]
    answers = logits.argmax(axis=1)
    matrix = np.array(confusion(truth, answers, len(classes)))
    np.testing.assert_array_equal(
        matrix, confusion_matrix(truth, answers, labels=range(len(classes)))
    )
    assert matrix.sum(axis=1).tolist() == np.bincount(truth, minlength=len(classes)).tolist()
    assert matrix.sum(axis=0).tolist() == np.bincount(answers, minlength=len(classes)).tolist()
    assert np.trace(matrix) / len(truth) == score("classification", logits, truth)
    rows = class_scores(truth, answers, classes)
    assert [row.support for row in rows] == matrix.sum(axis=1).tolist()


@given(few_logits)
@settings(max_examples=40)
def test_class_scores_are_scikit_learns(drawn):
    logits, truth = drawn
    answers = logits.argmax(axis=1)
    classes = CLASSES[: logits.shape[1]]
    rows = class_scores(truth, answers, classes)
    expected = precision_recall_fscore_support(
        truth, answers, labels=range(len(classes)), zero_division=np.nan
    )
    found = [[row.precision, row.recall, row.f1, row.support] for row in rows]
    np.testing.assert_allclose(np.array(found).T, np.array(expected), equal_nan=True)
    assert all(math.isnan(row.threshold) and math.isnan(row.average_precision) for row in rows)


def test_classification_metrics_are_scikit_learns():
    logits, truth = sample()
    metrics = classification_metrics(logits, truth, seed=0)
    assert set(metrics) == {"accuracy", "top5", "loss"}
    assert metrics["accuracy"].value == (logits.argmax(axis=1) == truth).mean()
    assert metrics["top5"].value == top_k_accuracy_score(truth, logits, k=5, labels=range(7))
    by_hand = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    assert metrics["loss"].value == pytest.approx(by_hand[np.arange(60), truth].mean(), rel=1e-5)
    expected = log_loss(truth, probabilities("classification", logits), labels=range(7))
    assert metrics["loss"].value == pytest.approx(expected)
    for metric in metrics.values():
        assert metric.low < metric.value < metric.high


def test_top5_needs_more_than_five_classes():
    logits, truth = sample(classes=5)
    assert "top5" not in classification_metrics(logits, truth, seed=0)


def test_order_of_pictures_does_not_matter():
    logits, truth = sample()
    order = np.random.default_rng(5).permutation(len(truth))
    first = classification_metrics(logits, truth, seed=0)
    second = classification_metrics(logits[order], truth[order], seed=0)
    for name, metric in first.items():
        assert second[name].value == pytest.approx(metric.value, rel=1e-12)
    answers = logits.argmax(axis=1)
    assert confusion(truth, answers, 7) == confusion(truth[order], answers[order], 7)


def test_no_pictures_are_no_crash():
    empty = np.empty(0, np.int64)
    metrics = classification_metrics(np.empty((0, 7), np.float32), empty, seed=0)
    assert all(math.isnan(metric.value) for metric in metrics.values())
    assert confusion(empty, empty, 2) == ((0, 0), (0, 0))
    assert [row.support for row in class_scores(empty, empty, ("a", "b"))] == [0, 0]
    assert math.isnan(score("classification", np.empty((0, 2)), empty))


def test_most_confused_pairs_stand_in_order():
    matrix = ((9, 2, 0), (5, 7, 2), (0, 0, 3))
    assert most_confused(matrix, ("a", "b", "c")) == (
        ("b", "a", 5),
        ("a", "b", 2),
        ("b", "c", 2),
    )


def test_at_most_ten_pairs_are_listed():
    matrix = tuple(tuple(1 for _ in range(5)) for _ in range(5))
    assert len(most_confused(matrix, CLASSES[:5])) == 10


@given(
    hnp.arrays(np.float32, (4, 3), elements=st.floats(-500, 500, width=32)),
    st.floats(0.05, 20),
)
def test_temperature_keeps_the_most_probable_class(logits, temperature):
    believed = probabilities("classification", logits, temperature)
    answers = logits.argmax(axis=1)
    assert (believed[np.arange(4), answers] == believed.max(axis=1)).all()
    np.testing.assert_allclose(believed.sum(axis=1), 1)


def test_losses_are_finite_at_the_ends():
    logits = np.array([[3000.0, -3000.0]], np.float32)
    assert picture_losses("classification", logits, np.array([1])).tolist() == [6000.0]
    assert picture_losses("multilabel", logits, np.array([[0, 1]])).tolist() == [3000.0]
    assert probabilities("multilabel", logits).tolist() == [[1.0, 0.0]]


def test_loss_of_labels_is_the_binary_cross_entropy():
    logits = np.array([[0.3, -1.2], [2.0, 0.1]])
    truth = np.array([[1, 0], [0, 1]], np.uint8)
    believed = 1 / (1 + np.exp(-logits))
    expected = -np.where(truth == 1, np.log(believed), np.log(1 - believed)).mean(axis=1)
    np.testing.assert_allclose(picture_losses("multilabel", logits, truth), expected)
    np.testing.assert_allclose(probabilities("multilabel", logits), believed)


def test_loss_of_numbers_is_the_squared_error():
    losses = picture_losses("regression", np.array([[1.0, 2.0]]), np.array([[3.0, 3.0]]))
    assert losses.tolist() == [2.5]
    assert probabilities("regression", np.array([[1.0, 2.0]]), 5.0).tolist() == [[1.0, 2.0]]


def test_score_of_each_task():
    truth = np.array([[1, 0], [0, 1], [1, 1]])
    assert score("multilabel", np.array([[2.0, -1], [1, 2], [3, 1]]), truth) == 1.0
    assert score("regression", np.array([[1.0], [2], [4]]), np.array([[1.0], [2], [3]])) == 0.5


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_score_of_broken_outputs_is_not_a_number(task):
    targets = np.zeros(2, np.int64) if task == "classification" else np.ones((2, 2))
    assert math.isnan(score(task, np.array([[1.0, math.nan], [0, 1]]), targets))
