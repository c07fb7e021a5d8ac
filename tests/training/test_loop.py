"""The loop: an interrupted training and one that never was give the same bits."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.errors import TrainingError
from hubel.results import EpochRow
from hubel.training.budget import Timeline
from hubel.training.checkpoint import load_newest
from hubel.training.events import Observer, StepEvent
from hubel.training.loop import Interrupted
from stripes import PICTURES, StopAt, assert_same, make_trainer

VARIANTS: dict[str, dict[str, Any]] = {
    "as the table": {},
    "mixed pictures": {"augment": ("safe", "mixup", "erasing")},
    "cutmix, sampled, plain": {"augment": ("cutmix",), "balance": "sampling", "ema": 0.0},
    "plateau": {"schedule": "plateau", "optimizer": "nesterov", "warmup": 0.0},
    "part of a last pass": {"steps": 14, "optimizer": "rmsprop", "schedule": "exponential"},
    "damped": {"optimizer": "damped-rmsprop", "momentum": 0.5, "lr": 0.1},
    "whole passes": {
        "optimizer": "gd",
        "momentum": None,
        "accumulate": 8,
        "steps_per_pass": 1,
        "steps": 4,
        "lr": 0.1,
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_interrupted_is_uninterrupted(variant: str, tmp_path: Path) -> None:
    changes = VARIANTS[variant]
    whole = make_trainer(tmp_path / "whole", **changes)
    assert whole.train() == "finished"
    steps = whole.settings.steps
    for stop in sorted({1, 2, 4, steps - 3, steps}):
        folder = tmp_path / f"stopped-{stop}"
        first = make_trainer(folder, **changes)
        observer = StopAt(stop)
        observer.trainer = first
        first.observers = [observer]
        with pytest.raises(Interrupted, match="hubel train --resume"):
            first.train()
        torch.manual_seed(999)  # Another process begins with another random state.
        second = make_trainer(folder, **changes)
        second.restore(load_newest(folder / "checkpoint")[0])
        assert second.progress.step == stop
        assert second.train() == "finished"
        assert_same(tmp_path / "whole", folder)


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    make_trainer(tmp_path / "whole").train()

    class Killed(Exception):
        pass

    class Kill(Observer):
        def stepped(self, event: StepEvent) -> None:
            if event.step == 11:
                raise Killed

    first = make_trainer(tmp_path / "killed")
    first.observers = [Kill()]
    with pytest.raises(Killed):
        first.train()
    second = make_trainer(tmp_path / "killed")
    second.restore(load_newest(tmp_path / "killed" / "checkpoint")[0])
    assert second.progress.step == 8
    second.train()
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_checkpoints_inside_a_pass_are_written_when_due(tmp_path: Path) -> None:
    saved: list[int] = []
    trainer = make_trainer(tmp_path, checkpoint_every_s=0.0)

    class Count(Observer):
        def saved(self, path: Path) -> None:
            saved.append(trainer.progress.step)

    trainer.observers = [Count()]
    trainer.train()
    assert saved == list(range(1, 17))


def test_the_log_adds_up(tmp_path: Path) -> None:
    rows: list[EpochRow] = []
    losses: list[float] = []
    accuracies: list[float] = []

    class Keep(Observer):
        def passed(self, row: EpochRow) -> None:
            rows.append(row)

        def stepped(self, event: StepEvent) -> None:
            losses.append(event.loss * event.pictures)
            accuracies.append(event.accuracy)

    trainer = make_trainer(tmp_path)
    trainer.observers = [Keep()]
    trainer.train()
    assert [row.epoch for row in rows] == [1, 2, 3, 4]
    assert [row.step for row in rows] == [4, 8, 12, 16]
    for number, row in enumerate(rows):
        expected = sum(losses[4 * number : 4 * number + 4]) / PICTURES
        assert row.train_loss == pytest.approx(expected, rel=1e-12)
        assert 0 <= row.train_score <= 1
        assert row.train_score == accuracies[4 * number + 3]
        assert row.lr == trainer.updater.schedule.at(row.step - 1)


def test_validation_and_saving_slow_no_pass_down_but_count_for_the_training(tmp_path: Path) -> None:
    rows: list[EpochRow] = []

    class Slow(Observer):
        def saved(self, path: Path) -> None:
            time.sleep(1.0)

        def passed(self, row: EpochRow) -> None:
            rows.append(row)
            time.sleep(1.0)

    trainer = make_trainer(tmp_path, steps=8)
    trainer.observers = [Slow()]
    validate = trainer.validate
    assert validate is not None
    trainer.validate = lambda module: (time.sleep(1.0), validate(module))[1]
    trainer.train()
    assert all(PICTURES / row.pictures_per_s < 1.0 for row in rows)
    assert rows[0].seconds > 1.0
    assert rows[1].seconds > rows[0].seconds + 3.0


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    """Without batch statistics and dropout, 2 batches of 4 give the step of 1 batch of 8."""
    weights: list[torch.Tensor] = []
    for batch, accumulate in ((4, 2), (8, 1)):
        trainer = make_trainer(
            tmp_path / str(batch),
            batch=batch,
            accumulate=accumulate,
            steps=4,
            optimizer="sgd",
            momentum=None,
            ema=0.0,
            augment=("none",),
        )
        trainer.module[1] = nn.Identity()
        trainer.module[3] = nn.Identity()
        trainer.train()
        weights.append(torch.cat([w.detach().flatten() for w in trainer.module[5].parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)


def test_patience_ends_a_training(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, patience=2)
    scores = iter([0.5, 0.4, 0.3, 0.9])
    trainer.validate = lambda _module: (1.0, next(scores))
    assert trainer.train() == "early-stopping"
    assert trainer.progress.step == 12
    assert trainer.progress.best_epoch == 1


def test_on_a_tie_the_later_weights_are_kept(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.validate = lambda _module: (1.0, 0.5)
    trainer.train()
    assert trainer.progress.best_epoch == 4


def test_a_loss_that_is_not_finite_names_the_pictures(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with torch.no_grad():
        trainer.module[5].weight.fill_(math.nan)
    with pytest.raises(TrainingError, match=r"The loss became nan at step 1, .* train/\d+"):
        trainer.train()


@pytest.mark.parametrize("stop", [None, 1, 4, 7])
def test_a_revised_budget_is_gone_on_with_to_the_same_bits(
    tmp_path: Path, stop: int | None
) -> None:
    """The plan records each revision, so that a resumed run measures nothing."""
    revisions: list[tuple[tuple[int, int], ...]] = []

    class Keep(Observer):
        def revised(self, timeline: Timeline) -> None:
            revisions.append(timeline.revisions)

    first = make_trainer(tmp_path / "whole", steps=40, budget_s=0.001)
    first.observers = [Keep()]
    first.train()
    assert revisions[0] == ((10, 11),)
    assert first.progress.step == revisions[-1][-1][1] < 40
    settings = replace(first.settings, revisions=revisions[-1], budget_s=1e6)
    again = make_trainer(tmp_path / "again", settings)
    if stop is not None:
        observer = StopAt(stop)
        observer.trainer = again
        again.observers = [observer]
        with pytest.raises(Interrupted):
            again.train()
        again = make_trainer(tmp_path / "again", settings)
        again.restore(load_newest(tmp_path / "again" / "checkpoint")[0])
    again.train()
    assert_same(tmp_path / "whole", tmp_path / "again")


def test_rehearsal_measures_and_saves_nothing(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    seconds = trainer.rehearse(0.0)
    assert 0 < seconds < 60
    assert not (tmp_path / "checkpoint").exists()
