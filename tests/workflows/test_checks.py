"""Options that do not fit together, and what a run keeps of them."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hubel

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.data.integrity import inspect_source
from hubel.data.opening import open_source
from hubel.errors import RunError, UsageError
from hubel.options import TrainOptions
from hubel.workflows.checks import (
    check_fresh,
    check_resumed,
    check_source,
    check_validated,
    set_by_user,
)
from hubel.workflows.folders import new_run_folder
from hubel.workflows.keeping import options_toml
from pictures import CLASSES, make_folder


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"freeze_epochs": -1, "pretrained": True}, "--freeze-epochs takes a number 0 or more"),
        ({"body_lr": 1.5, "pretrained": True}, "--body-lr takes a number above 0 and up to 1"),
        ({"step_factor": 0.0}, "--step-factor takes a number above 0 and up to 1"),
        ({"milestones": (0.5, 0.5)}, "--milestones takes numbers that rise, .* not 0.5 0.5"),
        ({"milestones": (0.5, 1.0)}, "each above 0 and below 1"),
        ({"epochs": 0}, "--epochs takes a number 1 or more, not 0"),
        ({"batch": -1}, "--batch takes a number 1 or more"),
        ({"lr": 0.0}, "--lr takes a number above 0"),
        ({"momentum": 1.0}, "--momentum takes a number from 0 to below 1"),
        ({"dropout": 1.5}, "--dropout takes"),
        ({"ema": 1.0}, "--ema takes"),
        ({"seed": -3}, "--seed takes"),
        ({"checkpoint_every": "often"}, "--checkpoint-every takes a time"),
        ({"budget": "0s"}, "--budget takes a time above zero, not '0s'"),
        ({"epochs": 3, "budget": "5m"}, "--epochs and --budget"),
        ({"cache": "3XB"}, "--cache takes auto, none, or a size"),
        ({"device": "tpu"}, "--device takes auto, cpu"),
        ({"micro_batch": 8, "processes": 2}, "--micro-batch and several --processes exclude"),
        ({"optimizer": "gd", "accumulate": 4}, "leave out --accumulate"),
    ],
)
def test_what_does_not_fit(settings: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        check_fresh(TrainOptions(**settings))


def test_numbers_are_checked_before_processes_start() -> None:
    with pytest.raises(UsageError, match="--restarts takes a number 0 or more, not -1"):
        hubel.train("digits", restarts=-1, processes=2)


def test_a_run_is_not_a_source(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(UsageError, match=f"is a run, not pictures: .*--resume {tmp_path}"):
        hubel.train(tmp_path, out=tmp_path / "out")


def test_what_fits() -> None:
    check_fresh(TrainOptions(epochs=1, momentum=0.0, augment=("mixup", "cutmix"), seed=2**63 - 1))


def test_a_resumed_run_keeps_its_settings() -> None:
    check_resumed(TrainOptions(resume=Path("x"), epochs=9, json=True, verbose="steps"))
    with pytest.raises(UsageError, match="--batch, --lr cannot be changed there: leave them out"):
        check_resumed(TrainOptions(resume=Path("x"), lr=0.1, batch=3))


def test_only_what_differs_counts_as_set() -> None:
    assert set_by_user(TrainOptions(lr=0.5, seed=0, fit="crop")) == {"lr": 0.5, "fit": "crop"}


def test_kept_options_are_read_back_by_config() -> None:
    options = TrainOptions(
        epochs=3, filters=("gaussian:5", "canny"), channels_last=False, allow_leaks=True, json=True
    )
    kept = tomllib.loads(options_toml("my pictures", options).decode())
    assert kept == {
        "source": "my pictures",
        "epochs": 3,
        "filters": ["gaussian:5", "canny"],
        "channels_last": False,
        "allow_leaks": True,
    }


def test_run_folders_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [str(new_run_folder(None, "/data/My Pets/", "torchvision:resnet18")) for _ in range(2)]
    assert names == ["runs/my-pets-resnet18-1", "runs/my-pets-resnet18-2"]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match=r"is not an empty folder; choose another one, or go on"):
        new_run_folder(tmp_path, "a")
    with pytest.raises(UsageError, match="is not an empty folder"):
        new_run_folder(tmp_path / "x", "a")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(RunError, match="choose another with --out"):
        new_run_folder(tmp_path / "x" / "y", "a")


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"recipe": "defalt"}, "did you mean default"),
        ({"model": "lenet"}, "did you mean lenet5"),
        ({"model_arguments": ("width",)}, "width"),
        ({"filters": ("gausian",)}, "did you mean gaussian"),
        ({"augment": ("mixu",)}, "did you mean mixup"),
        ({"augment": ("none", "mixup")}, "none"),
        ({"milestones": (0.5,)}, "--milestones belongs to --schedule step, .* here is cosine"),
        ({"step_factor": 0.5, "recipe": "vgg-2014"}, "--step-factor belongs .* here is plateau"),
        ({"loss": "mse"}, "--loss mse does not fit a classification task"),
        ({"model": "lenet5", "size": 20}, "lenet5 takes pictures of 32 pixels a side only"),
        ({"model": "alexnet", "size": 9}, "alexnet needs pictures of at least"),
        ({"optimizer": "adagrad", "momentum": 0.5}, "--optimizer adagrad has no momentum"),
        ({"optimizer": "gd", "momentum": 0.5}, "--optimizer gd has no momentum"),
    ],
)
def test_what_does_not_fit_a_source(settings: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        check_source(TrainOptions(**settings), open_source("digits"))


@pytest.mark.parametrize(
    "settings", [{"schedule": "step"}, {"recipe": "classical"}, {"recipe": "resnet-cifar-2015"}]
)
def test_drops_of_the_schedule_step(settings: dict[str, Any]) -> None:
    options = TrainOptions(milestones=(0.5, 0.9), step_factor=0.3, **settings)
    check_source(options, open_source("digits"))


def test_plateau_needs_a_validation_split() -> None:
    dataset = inspect_source(open_source("digits"), seed=0)
    check_validated("plateau", dataset)
    alone = replace(dataset, splits=np.zeros_like(dataset.splits))
    check_validated("cosine", alone)
    with pytest.raises(UsageError, match="but digits has no validation split: choose another"):
        check_validated("plateau", alone)


def test_balanced_sampling_needs_classes(tmp_path: Path) -> None:
    make_folder(tmp_path / "pictures", each=3)
    table = tmp_path / "labels.csv"
    names = [f"pictures/{name}/{number:03}.png" for name in CLASSES for number in range(3)]
    table.write_text("path,target\n" + "\n".join(f"{name},{len(name)}.5" for name in names))
    with pytest.raises(UsageError, match="--balance sampling needs one class a picture"):
        check_source(TrainOptions(balance="sampling"), open_source(table))
