"""The share of waiting over a whole training."""

from __future__ import annotations

import math

import pytest

from hubel.results import EpochRow, mean_waiting_share


def row(step: int, speed: float, waited: float) -> EpochRow:
    return EpochRow(
        epoch=1, step=step, lr=0.1, train_loss=1.0, train_score=0.5, val_loss=1.0, val_score=0.5,
        pictures_per_s=speed, waiting_share=waited, seconds=1.0,
    )  # fmt: skip


def test_a_slow_pass_counts_for_more() -> None:
    # 10 steps at 50 a second take twice as long as 10 at 100.
    assert mean_waiting_share([row(10, 50.0, 0.6), row(20, 100.0, 0.0)]) == pytest.approx(0.4)
    # A last pass that was cut short counts for less.
    assert mean_waiting_share([row(10, 50.0, 0.6), row(15, 50.0, 0.0)]) == pytest.approx(0.4)


def test_what_is_not_known_is_left_out() -> None:
    rows = [row(10, 50.0, math.nan), row(20, 0.0, 0.9), row(30, 50.0, 0.2)]
    assert mean_waiting_share(rows) == pytest.approx(0.2)
    assert math.isnan(mean_waiting_share([]))
    assert math.isnan(mean_waiting_share(rows[:1]))
