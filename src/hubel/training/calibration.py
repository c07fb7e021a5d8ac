"""Making probabilities believable: temperature, reliability, and when to say "unknown"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit

from hubel.results import Calibrated, Metric, ReliabilityBin, Task
from hubel.training.intervals import Floats, Statistic, bootstrap
from hubel.training.label_metrics import DEFAULT_THRESHOLD, best_thresholds
from hubel.training.metrics import probabilities

if TYPE_CHECKING:
    from hubel.training.inference import Outputs

TEMPERATURES: Final = (0.05, 20.0)
"""A fitted temperature lies between these."""
HALVINGS: Final = 36
"""Of the interval of log temperature: leaves a relative error below 1e-10."""
BINS: Final = 10
DOUBT: Final = 0.05
"""Probability that the true error rate among the answered exceeds the wanted one."""
STARTS: Final = (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
"""Percentages of answered pictures from which the threshold is let down."""
NEVER: Final = 2.0
"""A threshold that no probability reaches: every picture is "unknown"."""
ALWAYS: Final = 0.0
"""A threshold that every probability reaches."""
DEFAULT_ERROR: Final = 0.05


def fit_temperature(
    task: Task, logits: NDArray[np.floating], targets: NDArray[np.generic]
) -> float:
    """Return the temperature T that makes validation pictures most probable.

    argmin over T of the mean −log softmax(z / T)[truth] (classes) or binary cross-entropy of
    z / T (labels). The loss is convex in β = 1 / T, so its slope, mean (E[z] − z[truth]), changes
    its sign once and halving the interval of log β finds it. Where every answer is right, β would
    grow for ever; n right answers support a mean confidence of (n + 1) / (n + 2) (Laplace's rule of
    succession), so β stops there. Within 0.05 to 20; 1 for numbers and without pictures. float64.
    Sources: guo2017, laplace1814.
    """
    if task not in ("classification", "multilabel") or len(targets) == 0:
        return 1.0
    scores = np.asarray(logits, dtype=np.float64)
    judge = _too_sharp_classes if task == "classification" else _too_sharp_labels
    too_sharp = judge(scores, targets)
    low, high = -math.log(TEMPERATURES[1]), -math.log(TEMPERATURES[0])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if too_sharp(math.exp(middle)):
            high = middle
        else:
            low = middle
    return math.exp(-(low + high) / 2)


def _too_sharp_classes(scores: Floats, targets: NDArray[np.generic]) -> Callable[[float], bool]:
    """Return whether a β is beyond the least loss, or beyond what the pictures support."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    truth = np.asarray(targets, dtype=np.int64)[:, None]
    own = np.take_along_axis(shifted, truth, axis=1).mean()
    most = _supported(len(scores))

    def too_sharp(beta: float) -> bool:
        shares = np.exp(beta * shifted)
        totals = shares.sum(axis=1)
        slope = (np.einsum("nc,nc->n", shares, shifted) / totals).mean() - own
        return bool(slope > 0 or (1 / totals).mean() > most)

    return too_sharp


def _too_sharp_labels(scores: Floats, targets: NDArray[np.generic]) -> Callable[[float], bool]:
    """Return the same of pairs of picture and label."""
    own = (scores * np.asarray(targets, np.float64)).mean()
    most = _supported(scores.size)

    def too_sharp(beta: float) -> bool:
        believed = expit(beta * scores)
        confidence = np.maximum(believed, 1 - believed).mean()
        return bool((believed * scores).mean() > own or confidence > most)

    return too_sharp


def _supported(events: int) -> float:
    """Return the mean confidence that so many right answers support: (n + 1) / (n + 2)."""
    return (events + 1) / (events + 2)


def bin_numbers(confidence: Floats) -> NDArray[np.int64]:
    """Return the tenth of each probability: bin i holds i/10 < p ≤ (i + 1)/10, and 0 is in bin 0.

    >>> bin_numbers(np.array([0.0, 0.1, 0.1001, 1.0])).tolist()
    [0, 0, 1, 9]
    """
    return np.searchsorted(np.arange(1, BINS) / BINS, confidence, side="left")


def reliability(confidence: Floats, right: NDArray[np.generic]) -> tuple[ReliabilityBin, ...]:
    """Return the ten bins of the reliability diagram; NaN means in the empty ones.

    `confidence` and `right` (0 or 1) are (events,): the answer of each picture for classes, every
    pair of picture and label for labels.
    """
    bins = bin_numbers(confidence)
    counts = np.bincount(bins, minlength=BINS)
    believed = np.bincount(bins, weights=confidence, minlength=BINS)
    hits = np.bincount(bins, weights=np.asarray(right, np.float64), minlength=BINS)
    return tuple(
        ReliabilityBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=int(count),
            confidence=float(believed[number] / count) if count else math.nan,
            accuracy=float(hits[number] / count) if count else math.nan,
        )
        for number, count in enumerate(counts)
    )


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Return Σ count/n |accuracy − confidence| over the bins; NaN without events.

    With the ten bins of equal width that the reliability diagram shows. Source: naeini2015.
    """
    total = sum(one.count for one in bins)
    if total == 0:
        return math.nan
    gaps = (one.count * abs(one.accuracy - one.confidence) for one in bins if one.count)
    return math.fsum(gaps) / total


def calibration_error_metric(
    confidence: Floats, right: NDArray[np.generic], *, seed: int
) -> Metric:
    """Return the expected calibration error of pictures' answers with its 95% interval."""
    value = expected_calibration_error(reliability(confidence, right))
    return bootstrap(_calibration_error(confidence, right), len(confidence), seed=seed, value=value)


def _calibration_error(confidence: Floats, right: NDArray[np.generic]) -> Statistic:
    """Σ over the bins of |Σ weight (right − confidence)|, over the sum of the weights."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), bin_numbers(confidence)] = (
        np.asarray(right, np.float64) - confidence
    )
    return lambda weights: np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)


def unknown_threshold(confidence: Floats, right: NDArray[np.bool_], wanted_error: float) -> float:
    """Return the least confidence at which an answer may be given.

    The answered are the pictures with confidence ≥ threshold. From twelve starts, at which 2%, 5%,
    10%, 20%, …, 100% of the pictures are answered, the threshold falls picture by picture for as
    long as the upper bound of the error rate (Clopper and Pearson, exact, at doubt 0.05 / 12)
    stays at most `wanted_error`; the lowest threshold that a start reaches is returned. So, with
    probability 95% over validation pictures that are like those to come, the error rate among the
    answered is at most the wanted one. Above 1 where no start keeps it; 0 without pictures.
    Sources: geifman2017 (the guarantee), angelopoulos2021 (tests in a fixed order from several
    starts), clopper1934.
    """
    pictures = len(confidence)
    if pictures == 0:
        return ALWAYS
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    # Equal confidences are answered together: a step ends where the next one is lower.
    ends = np.flatnonzero(np.append(falling[1:] < falling[:-1], True))
    wrong = np.cumsum(~right[order], dtype=np.int64)[ends]
    kept = error_bounds(wrong, ends + 1, DOUBT / len(STARTS)) <= wanted_error
    lowest = -1
    for percent in STARTS:
        step = int(np.searchsorted(100 * (ends + 1), percent * pictures))
        while step < len(ends) and kept[step]:
            lowest = max(lowest, step)
            step += 1
    return NEVER if lowest < 0 else float(falling[ends[lowest]])


def error_bounds(wrong: NDArray[np.int64], answered: NDArray[np.int64], doubt: float) -> Floats:
    """Return the rates that so many errors would exceed with probability 1 − doubt.

    The largest p with P(Binomial(answered, p) ≤ wrong) ≥ doubt; 1 where all are wrong.
    Source: clopper1934.
    """
    all_wrong = wrong >= answered
    bounds = betaincinv(wrong + 1, np.where(all_wrong, 1, answered - wrong), 1 - doubt)
    return np.where(all_wrong, 1.0, bounds)


def fit_calibration(
    task: Task,
    outputs: Outputs | None,
    *,
    fitted_on: str,
    model_digest: str,
    wanted_error: float = DEFAULT_ERROR,
    labels: int = 0,
) -> Calibrated:
    """Return temperature, threshold for "unknown" and thresholds of labels, fitted on `outputs`.

    Without outputs or pictures nothing is fitted: temperature 1, every picture answered, labels
    present from 0.5 (`labels` of them), and `fitted_on` empty.
    """
    temperature, threshold = 1.0, ALWAYS
    label_thresholds = (DEFAULT_THRESHOLD,) * (labels if task == "multilabel" else 0)
    pictures = len(outputs.targets) if outputs is not None and task != "regression" else 0
    if outputs is not None and pictures > 0:
        temperature = fit_temperature(task, outputs.logits, outputs.targets)
        believed = probabilities(task, outputs.logits, temperature)
        if task == "multilabel":
            label_thresholds = best_thresholds(believed, outputs.targets)
        else:
            right = outputs.logits.argmax(axis=1) == outputs.targets
            threshold = unknown_threshold(believed.max(axis=1), right, wanted_error)
    return Calibrated(
        temperature=temperature,
        unknown_threshold=threshold,
        wanted_error=wanted_error,
        label_thresholds=label_thresholds,
        fitted_on=fitted_on if pictures else "",
        pictures=pictures,
        model_digest=model_digest,
    )
