"""What a training leaves: a row a pass, and the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hubel.results.evaluation import Metric
from hubel.results.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One line of `log.csv`. A score is the accuracy (classes), mAP (labels) or R² (numbers)."""

    epoch: int
    """Passes over the training split that are done."""
    step: int
    lr: float
    train_loss: float
    train_score: float
    """On the augmented pictures, while the weights were changing."""
    val_loss: float
    """NaN where there is no validation split."""
    val_score: float
    pictures_per_s: float
    """While steps were taken: validation and saving are left out."""
    waiting_share: float
    """Share of that time in which the network waited for pictures."""
    seconds: float
    """Since the start, interruptions left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """`train.json`."""

    model: str
    params: int
    epochs: int
    steps: int
    seconds: float
    best_epoch: int
    best_val_score: float
    score_name: Literal["accuracy", "map", "r2"]
    ended: Literal["finished", "early-stopping", "interrupted"]
    rows: tuple[EpochRow, ...]
    waiting_share: float = math.nan
    """Share of the passes' time in which the network waited for pictures."""
    test: dict[str, Metric]
    """Empty where there is no test split."""
    provenance: Provenance
    undone: int = 0
    """Steps that were undone, because their loss or gradient was not finite: `nonfinite.csv`."""


def mean_waiting_share(rows: Sequence[EpochRow]) -> float:
    """Return the share of waiting over several passes, each counted by how long it was.

    A pass of n steps at r pictures a second takes a time in proportion to n/r. NaN without rows.
    """
    waited = total = 0.0
    before = 0
    for row in rows:
        took = (row.step - before) / row.pictures_per_s if row.pictures_per_s > 0 else math.nan
        before = row.step
        if math.isfinite(took) and math.isfinite(row.waiting_share):
            waited += took * row.waiting_share
            total += took
    return waited / total if total else math.nan
