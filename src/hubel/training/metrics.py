"""How right a classifier is: losses, accuracy, confusion, and one score for every task."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from hubel.results import ClassScore, Metric, Task
from hubel.training.intervals import Floats, bootstrap, mean_of, wilson
from hubel.training.label_metrics import average_precisions, defined_mean, score_rows
from hubel.training.number_metrics import r2

MOST_CONFUSED: Final = 10


def probabilities(task: Task, logits: NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Return what the network believes, (pictures, outputs) in float64.

    Classes: softmax(z / T); labels: 1 / (1 + exp(−z / T)); numbers: the outputs as they are.
    """
    scaled = np.asarray(logits, dtype=np.float64)
    if task == "regression":
        return scaled
    scaled = scaled / temperature
    return softmax(scaled, axis=1) if task == "classification" else expit(scaled)


def picture_losses(
    task: Task, logits: NDArray[np.floating], targets: NDArray[np.generic]
) -> Floats:
    """Return the loss of each picture, (pictures,).

    Classes: −log softmax(z)[truth]; labels: the binary cross-entropy
    log(1 + exp(z)) − y z, mean over the labels; numbers: the squared error, mean over the targets.
    Natural logarithms, no temperature, no label smoothing and no class weights, so that losses of
    different trainings can be compared.
    """
    outputs = np.asarray(logits, dtype=np.float64)
    if task == "classification":
        truth = np.asarray(targets, dtype=np.int64)
        return -log_softmax(outputs, axis=1)[np.arange(len(truth)), truth]
    wanted = np.asarray(targets, dtype=np.float64)
    if task == "multilabel":
        return (np.logaddexp(0.0, outputs) - wanted * outputs).mean(axis=1)
    return np.square(outputs - wanted).mean(axis=1)


def ranks(logits: NDArray[np.floating], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes stand before the true one, (pictures,); 0 where the answer is right.

    Of equal outputs the class with the lower index stands first, as argmax has it.
    """
    own = np.take_along_axis(logits, truth[:, None], axis=1)
    earlier = np.arange(logits.shape[1])[None, :] < truth[:, None]
    return ((logits > own) | ((logits == own) & earlier)).sum(axis=1)


def classification_metrics(
    logits: NDArray[np.floating], truth: NDArray[np.int64], *, seed: int
) -> dict[str, Metric]:
    """Return accuracy, top5 (over 5 classes) and loss with their 95% intervals."""
    before, total = ranks(logits, truth), len(truth)
    metrics = {"accuracy": wilson(int((before == 0).sum()), total)}
    if logits.shape[1] > 5:
        metrics["top5"] = wilson(int((before < 5).sum()), total)
    losses = picture_losses("classification", logits, truth)
    return metrics | {"loss": bootstrap(mean_of(losses), total, seed=seed)}


def confusion(
    truth: NDArray[np.int64], answers: NDArray[np.int64], classes: int
) -> tuple[tuple[int, ...], ...]:
    """Return how often each class (row) got each answer (column)."""
    counts = np.bincount(truth * classes + answers, minlength=classes * classes)
    return tuple(tuple(row) for row in counts.reshape(classes, classes).tolist())


def most_confused(
    matrix: tuple[tuple[int, ...], ...], classes: tuple[str, ...]
) -> tuple[tuple[str, str, int], ...]:
    """Return the pairs (truth, answer, count) off the diagonal, most first, at most 10."""
    pairs = [
        (classes[row], classes[column], count)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count > 0
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair[2])[:MOST_CONFUSED])


def class_scores(
    truth: NDArray[np.int64], answers: NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    """Return precision TP/(TP+FP), recall TP/(TP+FN), F1 2TP/(2TP+FP+FN) and support a class.

    NaN where a denominator is 0: recall of a class without pictures, precision of a class that
    was never answered.
    """
    said = np.bincount(answers, minlength=len(classes))
    present = np.bincount(truth, minlength=len(classes))
    right = np.bincount(truth[truth == answers], minlength=len(classes))
    return score_rows(classes, right, said, present)


def score(task: Task, logits: NDArray[np.floating], targets: NDArray[np.generic]) -> float:
    """Return the one number by which networks are compared; NaN where it is undefined.

    Classes: accuracy; labels: mean average precision; numbers: R².
    """
    if len(targets) == 0 or not np.isfinite(logits).all():
        return math.nan
    if task == "classification":
        return float((logits.argmax(axis=1) == targets).mean())
    if task == "multilabel":
        precisions = average_precisions(np.asarray(logits, np.float64), targets)
        return float(defined_mean(precisions[None])[0])
    return r2(np.asarray(logits, np.float64), np.asarray(targets, np.float64))
