import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax
from scipy.stats import binom

from hubel.training.calibration import (
    NEVER,
    TEMPERATURES,
    bin_numbers,
    calibration_error_metric,
    error_bounds,
    expected_calibration_error,
    fit_calibration,
    fit_temperature,
    reliability,
    unknown_threshold,
)
from hubel.training.inference import Outputs
from hubel.training.metrics import picture_losses, probabilities


def overconfident(factor, pictures=3000, classes=5, seed=0):
    """Logits that are `factor` times those the truth was drawn from."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (pictures, classes))
    drawn = generator.random((pictures, 1)) < softmax(logits, axis=1).cumsum(axis=1)
    return (factor * logits).astype(np.float32), drawn.argmax(axis=1)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_is_found_again(factor):
    logits, truth = overconfident(factor)
    assert fit_temperature("classification", logits, truth) == pytest.approx(factor, rel=0.06)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_temperature_has_the_least_loss(task):
    logits, truth = overconfident(3.0, pictures=300)
    targets = truth if task == "classification" else np.eye(5, dtype=np.uint8)[truth]
    found = fit_temperature(task, logits, targets)

    def loss(temperature):
        return picture_losses(task, logits.astype(float) / temperature, targets).mean()

    expected = minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x
    assert found == pytest.approx(expected, rel=1e-3)
    assert loss(found) <= min(loss(found * 1.001), loss(found / 1.001))


def test_temperature_of_labels_is_found_again():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1.5, (2000, 3))
    truth = generator.random((2000, 3)) < expit(logits)
    assert fit_temperature("multilabel", 2.5 * logits, truth) == pytest.approx(2.5, rel=0.06)


def test_all_right_claims_no_more_than_the_pictures_support():
    truth = np.arange(98) % 2
    logits = np.where(np.eye(2, dtype=bool)[truth], 1.0, 0.0)
    temperature = fit_temperature("classification", logits, truth)
    confidence = probabilities("classification", logits, temperature).max(axis=1)
    assert confidence.mean() == pytest.approx(99 / 100, rel=1e-9)


def test_all_right_labels_claim_no_more_than_the_pairs_support():
    truth = np.arange(98)[:, None] % 2
    temperature = fit_temperature("multilabel", np.where(truth, 1.0, -1.0), truth)
    assert expit(1 / temperature) == pytest.approx(99 / 100, rel=1e-9)


def test_temperature_stays_between_its_bounds():
    truth = np.arange(40) % 2
    tiny = np.where(np.eye(2, dtype=bool)[truth], 1e-6, 0.0)
    assert fit_temperature("classification", tiny, truth) == pytest.approx(TEMPERATURES[0])
    wrong = np.where(np.eye(2, dtype=bool)[truth], 0.0, 1e6)
    assert fit_temperature("classification", wrong, truth) == pytest.approx(TEMPERATURES[1])


def test_temperature_of_numbers_or_nothing_is_one():
    assert fit_temperature("regression", np.ones((3, 1)), np.ones((3, 1))) == 1.0
    assert fit_temperature("classification", np.empty((0, 2)), np.empty(0, int)) == 1.0


def test_temperature_is_the_same_in_any_order():
    logits, truth = overconfident(2.0, pictures=200)
    order = np.random.default_rng(1).permutation(200)
    found = fit_temperature("classification", logits, truth)
    again = fit_temperature("classification", logits[order], truth[order])
    assert again == pytest.approx(found, rel=1e-9)


@given(st.floats(0, 1))
def test_bins_are_tenths_closed_above(confidence):
    number = int(bin_numbers(np.array([confidence]))[0])
    assert number / 10 < confidence or number == 0
    assert confidence <= (number + 1) / 10


def test_reliability_by_hand():
    bins = reliability(np.array([0.05, 0.62, 0.68, 0.7, 1.0]), np.array([0, 1, 0, 1, 1]))
    assert [one.count for one in bins] == [1, 0, 0, 0, 0, 0, 3, 0, 0, 1]
    assert (bins[6].low, bins[6].high) == (0.6, 0.7)
    assert bins[6].confidence == pytest.approx(2 / 3)
    assert bins[6].accuracy == pytest.approx(2 / 3)
    assert math.isnan(bins[1].accuracy)
    assert expected_calibration_error(bins) == pytest.approx(0.05 / 5)


def test_ece_of_calibrated_answers_is_small_and_of_others_is_not():
    for factor, low, high in ((1.0, 0.0, 0.02), (4.0, 0.15, 1.0)):
        logits, truth = overconfident(factor, pictures=5000)
        believed = probabilities("classification", logits)
        right = believed.argmax(axis=1) == truth
        metric = calibration_error_metric(believed.max(axis=1), right, seed=0)
        assert low <= metric.value < high
        assert metric.low <= metric.value <= metric.high
        bins = reliability(believed.max(axis=1), right)
        assert metric.value == expected_calibration_error(bins)


def test_resampled_ece_is_that_of_repeated_pictures():
    from hubel.training.calibration import _calibration_error

    generator = np.random.default_rng(0)
    confidence, right = generator.random(50), generator.random(50) < 0.5
    chosen = generator.integers(0, 50, 50)
    weights = np.bincount(chosen, minlength=50).astype(float)
    found = _calibration_error(confidence, right)(weights[None])[0]
    expected = expected_calibration_error(reliability(confidence[chosen], right[chosen]))
    assert found == pytest.approx(expected)


def test_ece_of_nothing_is_not_a_number():
    empty = np.empty(0)
    assert math.isnan(expected_calibration_error(reliability(empty, empty)))


@given(st.integers(1, 300), st.data())
def test_error_bound_is_the_binomial_tail(answered, data):
    wrong = data.draw(st.integers(0, answered - 1))
    (bound,) = error_bounds(np.array([wrong]), np.array([answered]), 0.05)
    assert wrong / answered < bound < 1
    assert binom.cdf(wrong, answered, bound) == pytest.approx(0.05, rel=1e-6)


def test_error_bound_where_all_are_wrong_is_one():
    assert error_bounds(np.array([4, 0]), np.array([4, 1]), 0.05).tolist() == [
        1.0,
        pytest.approx(0.95),
    ]


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.4, 0.6]))
def test_threshold_is_where_the_walk_by_hand_ends(pictures, seed, wanted):
    generator = np.random.default_rng(seed)
    confidence = generator.integers(0, 40, pictures) / 40
    right = generator.random(pictures) < 0.4 + 0.6 * confidence
    levels = sorted(set(confidence), reverse=True)

    def kept(level):
        answered = confidence >= level
        wrong = int((~right[answered]).sum())
        return binom.cdf(wrong, answered.sum(), wanted) <= 0.05 / 12

    reached = []
    for percent in (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100):
        start = next(
            place
            for place, level in enumerate(levels)
            if 100 * (confidence >= level).sum() >= pictures * percent
        )
        for level in levels[start:]:
            if not kept(level):
                break
            reached.append(level)
    assert unknown_threshold(confidence, right, wanted) == min(reached, default=NEVER)


def test_threshold_is_found_where_few_pictures_alone_prove_nothing():
    # The surest 150 of 300 support no rate of 3%, all right as they are; the surest 270 do.
    confidence = np.linspace(1, 0.4, 300)
    right = np.arange(300) < 270
    threshold = unknown_threshold(confidence, right, 0.03)
    assert 260 <= (confidence >= threshold).sum() <= 275


def test_threshold_parts_sure_right_from_unsure_wrong():
    confidence = np.concatenate([np.linspace(0.9, 0.99, 400), np.linspace(0.3, 0.5, 400)])
    right = np.arange(800) < 400
    threshold = unknown_threshold(confidence, right, 0.05)
    assert 0.45 < threshold <= 0.9
    answered = confidence >= threshold
    assert (~right[answered]).mean() < 0.05


def test_nothing_is_unknown_where_all_is_right():
    confidence = np.linspace(0.2, 1, 400)
    assert unknown_threshold(confidence, np.ones(400, bool), 0.05) == 0.2


def test_too_few_or_too_wrong_pictures_make_all_unknown():
    assert unknown_threshold(np.linspace(0.5, 1, 20), np.ones(20, bool), 0.05) == NEVER
    assert unknown_threshold(np.linspace(0.5, 1, 500), np.arange(500) % 2 == 0, 0.05) == NEVER
    assert NEVER > 1


def test_equal_probabilities_are_answered_together():
    confidence = np.full(500, 0.8)
    right = np.arange(500) >= 5
    assert unknown_threshold(confidence, right, 0.05) == 0.8
    assert unknown_threshold(confidence, right, 0.01) == NEVER


def test_no_pictures_answer_all():
    assert unknown_threshold(np.empty(0), np.empty(0, bool), 0.05) == 0.0


def test_wanted_error_rate_is_kept_on_new_pictures():
    broken = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        confidence = generator.beta(4, 1, 400)
        right = generator.random(400) < confidence
        threshold = unknown_threshold(confidence, right, 0.1)
        # Right with probability equal to confidence: the true error above t is a mean of 1 − p.
        fresh = np.random.default_rng(10_000).beta(4, 1, 100_000)
        answered = fresh[fresh >= threshold]
        broken += len(answered) > 0 and (1 - answered).mean() > 0.1
    assert broken <= 8


def outputs_of(logits, targets):
    return Outputs(logits=logits, targets=targets, positions=np.arange(len(targets)))


def test_fit_for_classes_says_what_it_was_fitted_on():
    logits, truth = overconfident(3.0, pictures=2000)
    found = fit_calibration(
        "classification", outputs_of(logits, truth), fitted_on="val", model_digest="d",
        wanted_error=0.25,
    )  # fmt: skip
    assert found.temperature == fit_temperature("classification", logits, truth)
    assert 0 < found.unknown_threshold < 1
    assert (found.fitted_on, found.pictures, found.model_digest) == ("val", 2000, "d")
    assert found.wanted_error == 0.25
    assert found.label_thresholds == ()


def test_fit_for_labels_has_a_threshold_each():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (300, 3)).astype(np.float32)
    truth = (generator.random((300, 3)) < expit(logits - 1)).astype(np.uint8)
    found = fit_calibration(
        "multilabel", outputs_of(logits, truth), fitted_on="val", model_digest="", labels=3
    )
    assert len(found.label_thresholds) == 3
    assert all(0 < threshold < 1 for threshold in found.label_thresholds)
    assert found.unknown_threshold == 0.0


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_without_validation_nothing_is_claimed(task):
    found = fit_calibration(task, None, fitted_on="val", model_digest="", labels=2)
    assert (found.temperature, found.unknown_threshold, found.fitted_on) == (1.0, 0.0, "")
    assert found.label_thresholds == ((0.5, 0.5) if task == "multilabel" else ())


def test_numbers_are_not_calibrated():
    outputs = outputs_of(np.ones((5, 1), np.float32), np.ones((5, 1)))
    found = fit_calibration("regression", outputs, fitted_on="val", model_digest="")
    assert (found.temperature, found.fitted_on, found.pictures) == (1.0, "", 0)
