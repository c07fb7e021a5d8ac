"""A step whose loss or gradient is not finite is undone bit for bit, told, and left out or not."""

from __future__ import annotations

import csv
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.errors import PictureError, RunError, TrainingError
from hubel.results import Run
from hubel.training.checkpoint import load_newest
from hubel.training.events import Refusal
from hubel.training.loop import Interrupted, Trainer
from hubel.training.nonfinite import Limits, NonFiniteLog, NotFinite, culprits
from stripes import CLASSES, SETTINGS, StopAt, assert_same, make_trainer

BAD = 7
"""A white picture; its logits are not finite."""


class Infinite(torch.autograd.Function):
    """Gives a gradient that is not finite."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        return inputs.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * math.inf


class Trap(nn.Module):
    """A small network that stumbles over white pictures, after it has changed its statistics."""

    def __init__(self, *, back: bool = False) -> None:
        super().__init__()
        self.back = back
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(),
            nn.Linear(144, CLASSES),
        )  # fmt: skip

    def forward(self, inputs: Tensor) -> Tensor:
        logits = self.layers(inputs)
        white = inputs.flatten(1).amin(1) == inputs.amax()
        if not white.any():
            return logits
        if self.back:
            return Infinite.apply(logits)
        return logits.masked_fill(white[:, None], math.nan)


def make(folder: Path, *, back: bool = False, **changes: Any) -> Trainer:
    torch.manual_seed(2)
    folder.mkdir(exist_ok=True)
    changes = {"augment": ("none",), "non_finite": "skip"} | changes
    trainer = make_trainer(folder, module=Trap(back=back), **changes)
    trainer.loader.source.pictures[BAD] = 255  # type: ignore[attr-defined]
    trainer.observers = [NonFiniteLog(trainer.run_folder)]
    return trainer


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "nonfinite.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def state(trainer: Trainer) -> dict[str, Tensor]:
    return {
        name: tensor.clone()
        for name, tensor in trainer.keeping._state(trainer.progress).tensors.items()
    }


@pytest.mark.parametrize("back", [False, True])
def test_an_undone_step_leaves_nothing_but_its_place(tmp_path: Path, *, back: bool) -> None:
    trainer = make(tmp_path, back=back)
    take, undone = trainer.stepper.take, []

    def watched(*arguments: Any, **named: Any) -> Any:
        before, told = state(trainer), trainer.progress.values()
        try:
            return take(*arguments, **named)
        except NotFinite:
            after = state(trainer)
            assert before.keys() == after.keys()
            assert all(torch.equal(before[name], after[name]) for name in before)
            assert told == trainer.progress.values()
            assert all(weight.grad is None for weight in trainer.module.parameters())
            undone.append(trainer.progress.step + 1)
            raise

    trainer.stepper.take = watched  # type: ignore[method-assign]
    trainer.train()
    assert len(undone) == trainer.progress.undone == 4
    assert trainer.progress.step == 16
    assert all(bool(weight.isfinite().all()) for weight in trainer.evaluated.parameters())
    rows = rows_of(tmp_path)
    assert sorted({int(row["step"]) for row in rows}) == undone
    assert {row["then"] for row in rows} == {"left out"}
    broken = {row["picture"] for row in rows if not math.isfinite(float(row["loss"]))}
    assert broken == (set() if back else {f"train/{BAD}"})
    assert {row["what"] for row in rows} == {"norm of the gradient" if back else "loss"}
    assert f"train/{BAD}" in {row["picture"] for row in rows}


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_resumed_run_leaves_out_the_same(tmp_path: Path, stop: int) -> None:
    make(tmp_path / "whole").train()
    first = make(tmp_path / "stopped")
    observer = StopAt(stop)
    observer.trainer = first
    first.observers = [*first.observers, observer]
    try:
        first.train()
    except Interrupted:
        first = make(tmp_path / "stopped")
        first.restore(load_newest(tmp_path / "stopped" / "checkpoint")[0])
        first.train()
    assert_same(tmp_path / "whole", tmp_path / "stopped")
    files = [(tmp_path / name / "nonfinite.csv").read_bytes() for name in ("whole", "stopped")]
    assert files[0] == files[1]


def test_a_run_that_stopped_goes_on_as_if_it_had_never(tmp_path: Path) -> None:
    make(tmp_path / "whole").train()
    stopped = make(tmp_path / "stopped", non_finite="stop")
    said = r"(?s)The loss became nan at step \d+, in a batch that begins with .*for 1 of \d "
    with pytest.raises(TrainingError, match=said + r".*--resume \S+ --non-finite skip$"):
        stopped.train()
    assert {row["then"] for row in rows_of(tmp_path / "stopped")} == {"stopped"}
    again = make(tmp_path / "stopped")
    again.restore(load_newest(tmp_path / "stopped" / "checkpoint")[0])
    again.train()
    assert_same(tmp_path / "whole", tmp_path / "stopped")
    assert rows_of(tmp_path / "whole") == rows_of(tmp_path / "stopped")


def test_too_many_in_a_row_end_a_training(tmp_path: Path) -> None:
    trainer = make(tmp_path, checkpoint_every_s=0.0)
    trainer.loader.source.pictures[:] = 255  # type: ignore[attr-defined]
    with pytest.raises(TrainingError, match=r"and 5 steps in a row had to be undone; .*source\.$"):
        trainer.train()
    assert load_newest(tmp_path / "checkpoint")[0].values["step"] == 4


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    trainer = make(tmp_path, non_finite="stop")
    trainer.save_checkpoint()
    with torch.no_grad():
        trainer.module.layers[5].weight.fill_(math.nan)  # type: ignore[union-attr]
    with pytest.raises(TrainingError, match=r"checkpoint is intact\. .*source\.$"):
        trainer.train()
    saved = load_newest(tmp_path / "checkpoint")[0]
    assert all(bool(tensor.isfinite().all()) for tensor in saved.part("model").values())


def test_limits() -> None:
    assert [Limits(steps).most for steps in (10, 499, 500, 10_000)] == [4, 4, 5, 100]
    assert Limits(10_000).broken(100, 4) == ""
    assert Limits(10_000).broken(5, 5) == "5 steps in a row had to be undone"
    assert re.match(r"101 steps .*, and 100 are the most", Limits(10_000).broken(101, 1))


def test_pictures_are_named_up_to_a_number() -> None:
    def of(losses: tuple[float, ...]) -> str:
        names = tuple(f"p{number}" for number in range(len(losses)))
        return culprits(
            Refusal(
                step=1, pass_number=1, what="loss", value=math.nan, pictures=names, losses=losses,
                left_out=True,
            )
        )  # fmt: skip

    assert of((1.0, math.inf, math.nan)) == "for 2 of 3 pictures: p1, p2"
    assert of((math.nan,) * 7) == "for 7 of 7 pictures: p0, p1, p2, p3, p4 …"
    assert of((3e38, 3e38)) == "with finite losses for all 2 pictures: p0, p1"


def test_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "nonfinite.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"Could not read .*nonfinite\.csv"):
        NonFiniteLog(Run(tmp_path)).started(SETTINGS, 0)


def test_a_picture_that_is_gone_ends_a_training_where_it_can_go_on(tmp_path: Path) -> None:
    make_trainer(tmp_path / "whole").train()
    trainer = make_trainer(tmp_path / "gone")
    source, reads = trainer.loader.source, iter(range(10_000))
    read = source.read

    def lost(position: int) -> Any:
        if next(reads) == 47:
            raise PictureError(f"train/{position}", "there is no such file")
        return read(position)

    source.read = lost  # type: ignore[method-assign]
    said = r"cannot be read any more: train/\d+: there is no such file; the training is saved\. .*"
    with pytest.raises(TrainingError, match=said + r"hubel train --resume"):
        trainer.train()
    again = make_trainer(tmp_path / "gone")
    saved = load_newest(tmp_path / "gone" / "checkpoint")[0]
    assert saved.values["step"] > 4
    again.restore(saved)
    again.train()
    assert_same(tmp_path / "whole", tmp_path / "gone")


def test_a_picture_of_the_validation_that_is_gone(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.save_checkpoint()

    def validate(_module: nn.Module) -> tuple[float, float]:
        raise PictureError("val/1", "the file is truncated")

    trainer.validate = validate
    with pytest.raises(TrainingError, match=r"val/1: the file is truncated; the training is saved"):
        trainer.train()
    # Saved before the pass was closed, so that a resumed run validates.
    assert load_newest(tmp_path / "checkpoint")[0].values["step"] == 0


def test_a_pass_of_nothing_but_undone_steps_has_no_loss(tmp_path: Path) -> None:
    trainer = make(tmp_path, batch=30, accumulate=1, steps=2, steps_per_pass=1)
    trainer.train()
    assert [math.isnan(row.train_loss) for row in trainer.progress.rows] == [True, True]
    assert np.isnan(trainer.progress.rows[0].train_score)
