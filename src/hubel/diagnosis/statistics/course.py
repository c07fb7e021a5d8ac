"""The course of the loss: its windows, its noise, how far it fell, and what guessing would cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Final

from hubel.diagnosis.evidence.record import Record, StepRow
from hubel.diagnosis.evidence.setting import Setting

FEWEST: Final = 20
"""Updates with a finite loss, below which nothing is said of a course."""
_GAUSSIAN_MAD: Final = 0.6745
"""Median of |x| of a standard normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The finite losses of a training, cut into 5 windows (10 from 100 updates on)."""

    rows: tuple[StepRow, ...]
    """Updates whose loss was finite."""
    windows: tuple[float, ...]
    """Mean loss of each window, in order."""
    noise: float
    """Standard deviation of one loss around its neighbours, where the loss is as at the end."""
    errors: tuple[float, ...]
    """Standard error of each window's mean, out of the differences of neighbours within it."""
    level: float
    """What the loss is worth to who knows nothing: that of guessing where known, else the first
    window's, or the first losses' where they are higher."""
    guessing: bool
    """Whether `level` is that of guessing."""

    @property
    def end(self) -> float:
        """Mean loss of the last window."""
        return self.windows[-1]

    @property
    def fallen(self) -> float:
        """Share of `level` by which the last window is below it; below 0 where it is above."""
        return 1 - self.end / self.level if self.level > 0 else math.nan

    @property
    def trend(self) -> float:
        """How many standard errors the second half of the windows is below the first half."""
        half = len(self.windows) // 2
        first, second = self.windows[:half], self.windows[-half:]
        error = math.hypot(_error_of_mean(self.errors[:half]), _error_of_mean(self.errors[-half:]))
        return (fmean(first) - fmean(second)) / error if error > 0 else math.nan


def guessing_loss(setting: Setting, record: Record) -> float:
    """Return the mean loss of the best answer that does not look at the picture; NaN if not known.

    −Σ pᵢ ln pᵢ over the shares of the labels seen for cross-entropy of classes; ln C where none
    were seen. Multiplied by the constant factor of the loss.
    """
    loss = setting.loss
    if loss is None or loss.kind not in {"cross-entropy", "nll"} or loss.reduction != "mean":
        return math.nan
    labels = [label for row in record.batches if row.split == "train" for label in row.labels]
    counts = Counter(labels)
    if len(labels) >= 10 * len(counts) and len(counts) > 1:
        return loss.scale * -sum(
            n / len(labels) * math.log(n / len(labels)) for n in counts.values()
        )
    number = setting.classes or setting.outputs
    return loss.scale * math.log(number) if number is not None and number > 1 else math.nan


def course_of(setting: Setting, record: Record) -> Course | None:
    """Return the course of the loss; None where fewer than 20 updates had a finite loss."""
    rows = tuple(row for row in record.steps if math.isfinite(row.loss))
    if len(rows) < FEWEST:
        return None
    parts = cut(rows, 10 if len(rows) >= 100 else 5)
    windows = tuple(fmean(row.loss for row in part) for part in parts)
    noises = [noise_of([row.loss for row in part]) for part in parts]
    guess = guessing_loss(setting, record)
    known = math.isfinite(guess)
    return Course(
        rows=rows,
        windows=windows,
        noise=noises[-1],
        errors=tuple(
            noise / math.sqrt(len(part)) for noise, part in zip(noises, parts, strict=True)
        ),
        level=guess if known else max(windows[0], median(row.loss for row in rows[:3])),
        guessing=known,
    )


def cut(rows: Sequence[StepRow], number: int) -> list[Sequence[StepRow]]:
    """Return the rows in `number` consecutive parts of nearly the same length."""
    ends = [round(index * len(rows) / number) for index in range(number + 1)]
    return [rows[low:high] for low, high in pairwise(ends)]


def noise_of(losses: Sequence[float]) -> float:
    """Return the standard deviation around a slow course, from the differences of neighbours.

    median|x[t+1] − x[t]| / (0.6745 · √2): a fall or a slow swing does not count as noise.
    """
    steps = [abs(after - before) for before, after in pairwise(losses)]
    return median(steps) / (_GAUSSIAN_MAD * math.sqrt(2)) if steps else math.nan


def _error_of_mean(errors: Sequence[float]) -> float:
    return math.sqrt(sum(error**2 for error in errors)) / len(errors)
