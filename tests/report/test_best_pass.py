"""Which pass a report calls the best: the one whose weights were kept."""

from __future__ import annotations

import math

import pytest

from hubel.report.training_view import best_row
from hubel.results import EpochRow


def row(epoch: int, score: float) -> EpochRow:
    return EpochRow(
        epoch=epoch,
        step=epoch,
        lr=0.1,
        train_loss=1.0,
        train_score=0.5,
        val_loss=1.0,
        val_score=score,
        pictures_per_s=1.0,
        waiting_share=0.0,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("scores", "best"),
    [((0.5, 0.9, 0.9, 0.7), 3), ((0.9, 0.5), 1), ((math.nan, 0.2), 2), ((1.0, 1.0), 2)],
)
def test_of_several_best_passes_the_last_is_kept(scores: tuple[float, ...], best: int) -> None:
    found = best_row(tuple(row(epoch, score) for epoch, score in enumerate(scores, start=1)))
    assert found is not None
    assert found.epoch == best


def test_without_validation_there_is_no_best_pass() -> None:
    assert best_row((row(1, math.nan),)) is None
