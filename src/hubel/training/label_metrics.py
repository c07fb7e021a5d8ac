"""How right a network is that names several labels a picture."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.results import ClassScore, Metric
from hubel.training.intervals import Floats, Statistic, bootstrap, mean_of, wilson

AP_RESAMPLES: Final = 200
"""Fewer resamples than elsewhere: each walks the whole ranking of every label."""
DEFAULT_THRESHOLD: Final = 0.5


def label_metrics(
    believed: Floats,
    truth: NDArray[np.generic],
    losses: Floats,
    thresholds: tuple[float, ...],
    *,
    seed: int,
) -> dict[str, Metric]:
    """Return map, micro_f1, macro_f1, exact_match and loss with their 95% intervals.

    `believed` (pictures, labels) are probabilities, `truth` (pictures, labels) 0 and 1, `losses`
    (pictures,). map is the mean average precision over the labels that occur; macro_f1 the mean
    over the labels whose F1 is defined; exact_match the share of pictures with every label right.
    """
    present = np.asarray(truth, dtype=bool)
    said = believed >= np.asarray(thresholds)
    total = len(present)
    exact = int((said == present).all(axis=1).sum())
    precisions = average_precisions(believed, present)
    return {
        "map": bootstrap(
            _mean_average_precision(believed, present),
            total,
            seed=seed,
            value=float(defined_mean(precisions[None])[0]),
            resamples=AP_RESAMPLES,
        ),
        "micro_f1": bootstrap(_micro_f1(said, present), total, seed=seed),
        "macro_f1": bootstrap(_macro_f1(said, present), total, seed=seed),
        "exact_match": wilson(exact, total),
        "loss": bootstrap(mean_of(losses), total, seed=seed),
    }


def average_precisions(scores: Floats, truth: NDArray[np.generic]) -> Floats:
    """Return each label's average precision Σ (Rₖ − Rₖ₋₁) Pₖ; NaN where the label never occurs."""
    from sklearn.metrics import average_precision_score

    present = np.asarray(truth, dtype=bool)
    return np.array(
        [
            average_precision_score(present[:, label], scores[:, label])
            if present[:, label].any()
            else math.nan
            for label in range(present.shape[1])
        ]
    )


def best_thresholds(believed: Floats, truth: NDArray[np.generic]) -> tuple[float, ...]:
    """Return each label's threshold of the highest F1 on these pictures.

    It lies half-way between the last probability that counts as present and the next below it
    (or 0), so that it does not cling to one picture; of equal F1 the highest threshold. A label
    that never occurs, or always, keeps 0.5: nothing can be learned of it. Source: lipton2014.
    """
    present = np.asarray(truth, dtype=bool)
    return tuple(
        _best_threshold(believed[:, label], present[:, label]) for label in range(present.shape[1])
    )


def _best_threshold(believed: Floats, present: NDArray[np.bool_]) -> float:
    """Return the threshold of the highest F1 for one label."""
    if not present.any() or present.all():
        return DEFAULT_THRESHOLD
    from sklearn.metrics import precision_recall_curve

    precision, recall, candidates = precision_recall_curve(present, believed)
    twice = precision[:-1] + recall[:-1]
    products = 2 * precision[:-1] * recall[:-1]
    f1 = np.divide(products, twice, out=np.zeros_like(twice), where=twice > 0)
    best = int(np.flatnonzero(f1 >= f1.max() - 1e-12)[-1])
    below = float(candidates[best - 1]) if best > 0 else 0.0
    return (float(candidates[best]) + below) / 2


def label_scores(
    believed: Floats,
    truth: NDArray[np.generic],
    thresholds: tuple[float, ...],
    classes: tuple[str, ...],
) -> tuple[ClassScore, ...]:
    """Return one row a label: precision, recall and F1 at its threshold, average precision.

    NaN where a denominator is 0.
    """
    present = np.asarray(truth, dtype=bool)
    said = believed >= np.asarray(thresholds)
    return score_rows(
        classes,
        (said & present).sum(axis=0),
        said.sum(axis=0),
        present.sum(axis=0),
        average_precision=average_precisions(believed, present),
        thresholds=np.asarray(thresholds),
    )


def score_rows(
    classes: tuple[str, ...],
    right: NDArray[np.int64],
    said: NDArray[np.int64],
    present: NDArray[np.int64],
    *,
    average_precision: Floats | None = None,
    thresholds: Floats | None = None,
) -> tuple[ClassScore, ...]:
    """Return the rows of a per-class table from counts: answers that are right, given, and true.

    Precision right/said, recall right/present, F1 2 right/(said + present); NaN where the
    denominator is 0.
    """
    nothing = np.full(len(classes), math.nan)
    precision = _ratio(right.astype(np.float64), said.astype(np.float64))
    recall = _ratio(right.astype(np.float64), present.astype(np.float64))
    f1 = _ratio(2 * right.astype(np.float64), (said + present).astype(np.float64))
    areas = nothing if average_precision is None else average_precision
    limits = nothing if thresholds is None else thresholds
    return tuple(
        ClassScore(
            name=name,
            precision=float(precision[position]),
            recall=float(recall[position]),
            f1=float(f1[position]),
            support=int(present[position]),
            average_precision=float(areas[position]),
            threshold=float(limits[position]),
        )
        for position, name in enumerate(classes)
    )


def _micro_f1(said: NDArray[np.bool_], present: NDArray[np.bool_]) -> Statistic:
    """F1 over all (picture, label) pairs together: 2TP / (said + present)."""
    both = (said & present).sum(axis=1).astype(np.float64)
    either = (said.sum(axis=1) + present.sum(axis=1)).astype(np.float64)
    return lambda weights: _ratio(2 * (weights @ both), weights @ either)


def _macro_f1(said: NDArray[np.bool_], present: NDArray[np.bool_]) -> Statistic:
    """F1 of each label, mean over the labels where it is defined."""
    both = (said & present).astype(np.float64)
    either = said.astype(np.float64) + present
    return lambda weights: defined_mean(_ratio(2 * (weights @ both), weights @ either))


def _mean_average_precision(scores: Floats, present: NDArray[np.bool_]) -> Statistic:
    """Return mean average precision as a statistic of weighted pictures."""
    rankings = [_Ranking(scores[:, label], present[:, label]) for label in range(present.shape[1])]
    return lambda weights: defined_mean(
        np.stack([ranking.average_precision(weights) for ranking in rankings], axis=1)
    )


class _Ranking:
    """The pictures of one label by falling score; sorted once, weighted many times."""

    def __init__(self, scores: Floats, present: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        self._present = present[self._order].astype(np.float64)
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))

    def average_precision(self, weights: Floats) -> Floats:
        """Return Σ (Rₖ − Rₖ₋₁) Pₖ over the distinct scores, for each row of weights."""
        ranked = weights[:, self._order]
        hits = np.cumsum(ranked * self._present, axis=1)[:, self._ends]
        precision = _ratio(hits, np.cumsum(ranked, axis=1)[:, self._ends])
        gained = np.diff(hits, axis=1, prepend=0.0)
        return _ratio(np.where(gained > 0, gained * precision, 0.0).sum(axis=1), hits[:, -1])


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full_like(above, math.nan), where=below > 0)


def defined_mean(values: Floats) -> Floats:
    """Return the mean over the last axis of the values that are defined; NaN where none is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(float))
