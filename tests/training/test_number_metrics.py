import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from hubel.training.number_metrics import number_metrics, r2, residuals


def sample(targets, pictures=70):
    generator = np.random.default_rng(0)
    truth = generator.normal(10, 3, (pictures, targets))
    return truth + generator.normal(0.5, 1, truth.shape), truth


def test_number_metrics_are_scikit_learns():
    predicted, truth = sample(1)
    metrics = number_metrics(predicted, truth, ("age",), seed=0)
    assert set(metrics) == {"mae", "rmse", "r2", "loss"}
    assert metrics["mae"].value == pytest.approx(mean_absolute_error(truth, predicted))
    assert metrics["rmse"].value == pytest.approx(root_mean_squared_error(truth, predicted))
    assert metrics["r2"].value == pytest.approx(r2_score(truth, predicted))
    assert metrics["loss"].value == pytest.approx(metrics["rmse"].value ** 2)
    for metric in metrics.values():
        assert metric.low < metric.value < metric.high


def test_several_targets_are_averaged_and_listed():
    predicted, truth = sample(2)
    metrics = number_metrics(predicted, truth, ("age", "mass"), seed=0)
    assert metrics["rmse"].value == pytest.approx(root_mean_squared_error(truth, predicted))
    assert metrics["r2"].value == pytest.approx(r2_score(truth, predicted))
    mean = (metrics["mae age"].value + metrics["mae mass"].value) / 2
    assert metrics["mae"].value == pytest.approx(mean)
    assert metrics["r2 mass"].value == pytest.approx(r2_score(truth[:, 1], predicted[:, 1]))


def test_resampled_r2_is_that_of_repeated_pictures():
    from hubel.training.number_metrics import _r2

    predicted, truth = sample(1)
    chosen = np.random.default_rng(4).integers(0, 70, 70)
    weights = np.bincount(chosen, minlength=70).astype(float)
    found = _r2(predicted, truth)(weights[None])[0]
    assert found == pytest.approx(r2_score(truth[chosen], predicted[chosen]))


def test_r2_by_hand():
    assert r2(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]])) == 0.5


def test_r2_is_the_same_wherever_the_numbers_lie():
    predicted, truth = sample(1)
    assert r2(predicted + 1e6, truth + 1e6) == pytest.approx(r2(predicted, truth), rel=1e-6)


def test_r2_of_a_target_that_never_changes_is_undefined():
    truth = np.full((5, 1), 0.1)
    assert math.isnan(r2(np.zeros((5, 1)), truth))
    metrics = number_metrics(np.zeros((5, 1)), truth, ("age",), seed=0)
    assert math.isnan(metrics["r2"].value)
    assert math.isnan(metrics["r2"].low)
    assert metrics["mae"].value == pytest.approx(0.1)


def test_r2_of_nothing_is_undefined():
    assert math.isnan(r2(np.empty((0, 1)), np.empty((0, 1))))


def test_residuals_are_all_points_where_they_are_few():
    predicted, truth = sample(2)
    summaries = residuals(predicted, truth, ("age", "mass"), seed=0)
    assert [summary.name for summary in summaries] == ["age", "mass"]
    assert summaries[1].truth == tuple(truth[:, 1])
    assert summaries[1].prediction == tuple(predicted[:, 1])


def test_residuals_are_drawn_by_seed_where_they_are_many():
    truth = np.arange(5000.0)[:, None]
    (first,) = residuals(truth + 1, truth, ("age",), seed=0)
    (again,) = residuals(truth + 1, truth, ("age",), seed=0)
    (other,) = residuals(truth + 1, truth, ("age",), seed=1)
    assert len(set(first.truth)) == 2000
    assert first == again
    assert first != other
    assert np.subtract(first.prediction, first.truth).tolist() == [1.0] * 2000
