"""How near a network comes that answers with numbers."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from hubel.results import Metric, ResidualSummary
from hubel.training.intervals import Floats, Statistic, bootstrap, mean_of

RESIDUAL_POINTS: Final = 2_000


def number_metrics(
    predicted: Floats, truth: Floats, targets: tuple[str, ...], *, seed: int
) -> dict[str, Metric]:
    """Return mae, rmse, r2 and loss with their 95% intervals; (pictures, targets) both.

    mae: mean |error|, rmse: √ mean error², r2: 1 − Σ error² / Σ (truth − mean truth)²; each the
    mean over the targets, in the targets' units. Where there are several targets, each one's own
    stand beside it as `mae NAME`, `rmse NAME` and `r2 NAME`. loss: mean squared error. r2 is NaN
    where a target never changes.
    """
    total = len(truth)
    metrics = _metrics(predicted, truth, seed=seed, suffix="")
    losses = np.square(predicted - truth).mean(axis=1)
    metrics["loss"] = bootstrap(mean_of(losses), total, seed=seed)
    if len(targets) > 1:
        for column, name in enumerate(targets):
            one = slice(column, column + 1)
            metrics |= _metrics(predicted[:, one], truth[:, one], seed=seed, suffix=f" {name}")
    return metrics


def _metrics(predicted: Floats, truth: Floats, *, seed: int, suffix: str) -> dict[str, Metric]:
    """Return mae, rmse and r2 over the given targets."""
    statistics = {
        "mae": mean_of(np.abs(predicted - truth).mean(axis=1)),
        "rmse": _rmse(predicted, truth),
        "r2": _r2(predicted, truth),
    }
    return {
        f"{name}{suffix}": bootstrap(statistic, len(truth), seed=seed)
        for name, statistic in statistics.items()
    }


def r2(predicted: Floats, truth: Floats) -> float:
    """Return R², mean over the targets; NaN where one never changes or there are no pictures."""
    if len(truth) == 0:
        return math.nan
    return float(_r2(predicted, truth)(np.ones((1, len(truth))))[0])


def _rmse(predicted: Floats, truth: Floats) -> Statistic:
    """√ mean error² a target, mean over the targets."""
    squared = np.square(predicted - truth)
    return lambda weights: np.sqrt((weights @ squared) / weights.sum(axis=1, keepdims=True)).mean(
        axis=1
    )


def _r2(predicted: Floats, truth: Floats) -> Statistic:
    """1 − Σ error² / Σ (truth − mean truth)² a target, mean over the targets."""
    squared = np.square(predicted - truth)
    centred = truth - truth.mean(axis=0) if len(truth) else truth
    constant = (truth == truth[:1]).all(axis=0)

    def statistic(weights: Floats) -> Floats:
        total = weights.sum(axis=1, keepdims=True)
        spread = (weights @ np.square(centred)) - np.square(weights @ centred) / total
        least = 1e-12 * (weights @ np.square(centred))
        defined = (spread > least) & ~constant
        share = np.divide(
            weights @ squared, spread, out=np.full_like(spread, math.nan), where=defined
        )
        return (1.0 - share).mean(axis=1)

    return statistic


def residuals(
    predicted: Floats, truth: Floats, targets: tuple[str, ...], *, seed: int
) -> tuple[ResidualSummary, ...]:
    """Return truth and prediction of at most 2,000 pictures, drawn by seed, for each target."""
    chosen = np.arange(len(truth))
    if len(truth) > RESIDUAL_POINTS:
        drawn = np.random.default_rng(seed).choice(len(truth), RESIDUAL_POINTS, replace=False)
        chosen = np.sort(drawn)
    return tuple(
        ResidualSummary(
            name=name,
            truth=tuple(truth[chosen, column].tolist()),
            prediction=tuple(predicted[chosen, column].tolist()),
        )
        for column, name in enumerate(targets)
    )
