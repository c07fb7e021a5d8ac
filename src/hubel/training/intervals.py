"""95% intervals: Wilson's for proportions, the bootstrap for every other number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.results import Metric

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From weights of the pictures (resamples, pictures) to one number a resample."""

Z_95: Final = 1.959963984540054
"""97.5% quantile of the normal distribution."""
RESAMPLES: Final = 1000
WEIGHTS_AT_ONCE: Final = 200_000
"""Resampling weights held at a time: 1.6 MB, to stay in the processor's cache."""


def wilson(successes: int, total: int) -> Metric:
    """Return the proportion `successes / total` with Wilson's 95% score interval.

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with z = 1.96 and n = total. It stays
    inside 0 to 1 and holds its coverage for proportions near 0 and 1 and for few pictures. NaN
    where `total` is 0. Source: wilson1927.
    """
    if total == 0:
        return Metric(value=math.nan, low=math.nan, high=math.nan)
    share, spread = successes / total, Z_95 * Z_95 / total
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return Metric(
        value=share,
        low=min(share, max(0.0, middle - half)),
        high=max(share, min(1.0, middle + half)),
    )


def bootstrap(
    statistic: Statistic,
    pictures: int,
    *,
    seed: int,
    value: float | None = None,
    resamples: int = RESAMPLES,
) -> Metric:
    """Return a statistic with its 95% percentile interval over resampled pictures.

    Each resample draws `pictures` pictures with replacement; `statistic` gets how often each was
    drawn, as weights (resamples, pictures), and gives one number a row. `value` is the statistic
    of the pictures themselves, where it is known already. The interval is the 2.5% and 97.5%
    quantiles, widened where needed to hold the value (a statistic with a bias, such as the
    calibration error, can lie outside). Resamples in which the statistic is undefined are left
    out; fewer than two pictures give no interval (NaN). Source: efron1993.
    """
    if pictures == 0:
        return Metric(value=math.nan, low=math.nan, high=math.nan)
    if value is None:
        value = float(statistic(np.ones((1, pictures)))[0])
    if pictures < 2 or math.isnan(value):
        return Metric(value=value, low=math.nan, high=math.nan)
    generator = np.random.default_rng(seed)
    at_once = max(1, WEIGHTS_AT_ONCE // pictures)
    drawn = [
        statistic(_weights(generator, min(at_once, resamples - start), pictures))
        for start in range(0, resamples, at_once)
    ]
    values = np.concatenate(drawn)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Metric(value=value, low=math.nan, high=math.nan)
    low, high = np.quantile(values, (0.025, 0.975))
    return Metric(value=value, low=min(value, float(low)), high=max(value, float(high)))


def _weights(generator: np.random.Generator, rows: int, pictures: int) -> Floats:
    """Return how often each picture is drawn in each of `rows` resamples."""
    drawn = generator.integers(0, pictures, size=(rows, pictures))
    drawn += np.arange(rows)[:, None] * pictures
    counts = np.bincount(drawn.ravel(), minlength=rows * pictures)
    return counts.reshape(rows, pictures).astype(np.float64)


def mean_of(values: Floats) -> Statistic:
    """Return the statistic that is the mean of one number a picture, (pictures,)."""
    return lambda weights: (weights @ values) / weights.sum(axis=1)
