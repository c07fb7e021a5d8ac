"""Making probabilities believable: temperature, reliability, and when to say "unknown"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from hubel.results import Calibrated, Metric, ReliabilityBin, Task
from hubel.training.intervals import Floats, Statistic, bootstrap
from hubel.training.label_metrics import DEFAULT_THRESHOLD, best_thresholds
from hubel.training.metrics import probabilities

if TYPE_CHECKING:
    from hubel.training.inference import Outputs

TEMPERATURES: Final = (0.05, 20.0)
"""A fitted temperature lies between these."""
HALVINGS: Final = 48
"""Of the interval of log temperature: leaves a relative error of 2e-14."""
BINS: Final = 10
DOUBT: Final = 0.05
"""Probability that the true error rate among the answered exceeds the wanted one."""
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
    low, high = -math.log(TEMPERATURES[1]), -math.log(TEMPERATURES[0])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _too_sharp(task, scores, targets, math.exp(middle)):
            high = middle
        else:
            low = middle
    return math.exp(-(low + high) / 2)


def _too_sharp(task: Task, scores: Floats, targets: NDArray[np.generic], beta: float) -> bool:
    """Whether β is beyond the least loss, or beyond the confidence that the pictures support."""
    believed = probabilities(task, scores, 1 / beta)
    if task == "multilabel":
        slope = ((believed - np.asarray(targets, np.float64)) * scores).mean()
        confident, events = np.maximum(believed, 1 - believed).mean(), believed.size
    else:
        truth = np.asarray(targets, dtype=np.int64)[:, None]
        own = np.take_along_axis(scores, truth, axis=1)[:, 0]
        slope = ((believed * scores).sum(axis=1) - own).mean()
        confident, events = believed.max(axis=1).mean(), len(believed)
    return bool(slope > 0 or confident > (events + 1) / (events + 2))


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

    The answered are the pictures with confidence ≥ threshold. Halving looks for the lowest
    threshold at which the upper bound of their error rate (Clopper and Pearson, exact) is at most
    `wanted_error`; as it looks at up to k = ⌈log₂(n + 1)⌉ thresholds, each bound has the doubt
    0.05 / k. So with probability 95% over validation pictures like those to come, the error rate
    among the answered is at most the wanted one. Above 1 where no threshold that was looked at
    reaches it; 0 without pictures. Sources: geifman2017, clopper1934.
    """
    if len(confidence) == 0:
        return ALWAYS
    falling = np.sort(confidence)[::-1]
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    candidates = np.unique(confidence)
    doubt = DOUBT / math.ceil(math.log2(len(confidence) + 1))
    threshold, low, high = NEVER, 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        answered = int(np.searchsorted(-falling, -candidates[middle], side="right"))
        if error_bound(int(wrong[answered - 1]), answered, doubt) <= wanted_error:
            threshold, high = float(candidates[middle]), middle
        else:
            low = middle + 1
    return threshold


def error_bound(wrong: int, answered: int, doubt: float) -> float:
    """Return the rate that `wrong` of `answered` errors would exceed with probability 1 − doubt.

    The largest p with P(Binomial(answered, p) ≤ wrong) ≥ doubt. Source: clopper1934.
    """
    if wrong >= answered:
        return 1.0
    return float(betaincinv(wrong + 1, answered - wrong, 1 - doubt))


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
