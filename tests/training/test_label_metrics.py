import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, f1_score

from hubel.training.label_metrics import (
    _mean_average_precision,
    average_precisions,
    best_thresholds,
    label_metrics,
    label_scores,
)

NAMES = ("cat", "dog", "tree")


def sample(seed=0, pictures=80):
    generator = np.random.default_rng(seed)
    truth = (generator.random((pictures, 3)) < (0.5, 0.2, 0.1)).astype(np.uint8)
    believed = np.clip(0.25 + 0.4 * truth + generator.normal(0, 0.2, truth.shape), 0, 1)
    return believed, truth


drawn_labels = st.integers(2, 10).flatmap(
    lambda pictures: st.tuples(
        hnp.arrays(float, (pictures, 2), elements=st.integers(0, 5).map(lambda v: v / 5)),
        hnp.arrays(np.uint8, (pictures, 2), elements=st.integers(0, 1)),
    )
)


@given(drawn_labels)
def test_average_precision_walks_down_the_ranking(drawn):
    believed, truth = drawn
    for label, found in enumerate(average_precisions(believed, truth)):
        positives = truth[:, label].sum()
        expected, recall_before = 0.0, 0.0
        for threshold in sorted(set(believed[:, label]), reverse=True):
            said = believed[:, label] >= threshold
            hits = truth[said, label].sum()
            if positives:
                expected += (hits / positives - recall_before) * hits / said.sum()
                recall_before = hits / positives
        assert math.isnan(found) if positives == 0 else found == pytest.approx(expected)


@given(drawn_labels, st.integers(0, 99))
@settings(max_examples=60)
def test_resampled_average_precision_is_that_of_repeated_pictures(drawn, seed):
    believed, truth = drawn
    chosen = np.random.default_rng(seed).integers(0, len(truth), len(truth))
    weights = np.bincount(chosen, minlength=len(truth)).astype(float)
    found = _mean_average_precision(believed, truth.astype(bool))(weights[None])[0]
    each = average_precisions(believed[chosen], truth[chosen])
    defined = each[~np.isnan(each)]
    assert math.isnan(found) if len(defined) == 0 else found == pytest.approx(defined.mean())


def test_label_metrics_are_scikit_learns():
    believed, truth = sample()
    thresholds = (0.5, 0.4, 0.6)
    losses = np.linspace(0, 1, len(truth))
    metrics = label_metrics(believed, truth, losses, thresholds, seed=0)
    said = believed >= thresholds
    assert metrics["map"].value == pytest.approx(average_precision_score(truth, believed))
    assert metrics["micro_f1"].value == pytest.approx(f1_score(truth, said, average="micro"))
    assert metrics["macro_f1"].value == pytest.approx(f1_score(truth, said, average="macro"))
    assert metrics["exact_match"].value == (said == truth).all(axis=1).mean()
    assert metrics["loss"].value == pytest.approx(0.5)
    for metric in metrics.values():
        assert metric.low < metric.value < metric.high


def test_labels_that_never_occur_are_left_out():
    believed, truth = sample()
    truth[:, 2] = 0
    believed[:, 2] = 0.1
    metrics = label_metrics(believed, truth, np.ones(80), (0.5, 0.5, 0.5), seed=0)
    first_two = average_precision_score(truth[:, :2], believed[:, :2])
    assert metrics["map"].value == pytest.approx(first_two)
    said = (believed >= 0.5)[:, :2]
    expected = f1_score(truth[:, :2], said, average="macro")
    assert metrics["macro_f1"].value == pytest.approx(expected)
    row = label_scores(believed, truth, (0.5, 0.5, 0.5), NAMES)[2]
    assert (row.name, row.support) == ("tree", 0)
    assert math.isnan(row.average_precision)
    assert math.isnan(row.recall)
    assert math.isnan(row.precision)


def test_no_labels_at_all_are_no_crash():
    truth = np.zeros((4, 3), np.uint8)
    metrics = label_metrics(np.zeros((4, 3)), truth, np.zeros(4), (0.5, 0.5, 0.5), seed=0)
    assert math.isnan(metrics["map"].value)
    assert math.isnan(metrics["micro_f1"].value)
    assert metrics["exact_match"].value == 1.0


def test_label_scores_stand_at_the_thresholds():
    believed = np.array([[0.9, 0.2], [0.6, 0.7], [0.1, 0.8]])
    truth = np.array([[1, 0], [0, 1], [1, 1]])
    cat, dog = label_scores(believed, truth, (0.6, 0.75), ("cat", "dog"))
    assert (cat.precision, cat.recall, cat.f1, cat.support) == (0.5, 0.5, 0.5, 2)
    assert (dog.precision, dog.recall, dog.support, dog.threshold) == (1.0, 0.5, 2, 0.75)
    assert dog.average_precision == 1.0


@given(drawn_labels)
def test_no_threshold_has_a_higher_f1(drawn):
    believed, truth = drawn
    for label, threshold in enumerate(best_thresholds(believed, truth)):
        present = truth[:, label]
        if present.all() or not present.any():
            assert threshold == 0.5
            continue
        found = f1_score(present, believed[:, label] >= threshold)
        tried = [f1_score(present, believed[:, label] >= t) for t in believed[:, label]]
        assert found == pytest.approx(max(tried))


def test_threshold_lies_in_the_middle_of_the_gap():
    believed = np.array([[0.9], [0.8], [0.2], [0.1]])
    assert best_thresholds(believed, np.array([[1], [1], [0], [0]])) == (0.5,)


def test_threshold_below_all_lies_half_way_to_zero():
    believed = np.array([[0.4], [0.9]])
    assert best_thresholds(believed, np.array([[1], [0]])) == (0.2,)
