"""The papers' settings stand as they are, each with its place; they shrink in proportion."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hubel.data.augmentation import Augmentation
from hubel.options import TrainOptions
from hubel.training.optimizers import OPTIMIZERS
from hubel.training.paper_recipes import PAPER_RECIPES
from hubel.training.recipes import RECIPES, resolve
from hubel.training.schedules import SHAPES, Schedule
from hubel.workflows.checks import check_fresh

MANY = 1_281_167
BIBLIOGRAPHY = (Path(__file__).parents[2] / "docs" / "references.bib").read_text("utf-8")


def chosen(recipe: str, pictures: int = MANY, **given: Any) -> dict[str, Any]:
    return {choice.name: choice for choice in resolve(recipe, given, pictures=pictures)}


def value(recipe: str, setting: str, **given: Any) -> Any:
    return chosen(recipe, **given)[setting].value


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_a_recipe_holds_together(name: str) -> None:
    recipe = PAPER_RECIPES[name]
    assert RECIPES[name] is recipe
    assert re.fullmatch(r"[a-z0-9-]+-20\d\d", name)
    assert recipe.optimizer in OPTIMIZERS
    assert recipe.schedule in SHAPES
    Augmentation.from_names(recipe.augment, num_classes=2, seed=0)
    settings = {choice: found.value for choice, found in chosen(name).items()}
    known = {field.name for field in fields(TrainOptions)}
    check_fresh(TrainOptions(**{key: item for key, item in settings.items() if key in known}))
    for setting, where in recipe.sources.items():
        assert setting in settings, setting
        assert f"{{{where.partition(',')[0]}," in BIBLIOGRAPHY, where
        if setting not in ("lr", "milestones") or settings["batch"] == recipe.batch:
            assert where in chosen(name)[setting].reason or setting == "milestones", setting


@pytest.mark.parametrize(
    ("name", "batch", "lr", "decay"),
    [
        ("alexnet-2012", 128, 0.01, 5e-4),
        ("vgg-2014", 256, 0.01, 5e-4),
        ("resnet-2015", 256, 0.1, 1e-4),
        ("resnet-cifar-2015", 128, 0.1, 1e-4),
        ("densenet-2016", 256, 0.1, 1e-4),
        ("squeezenet-2016", 512, 0.04, 2e-4),
        ("inception-v3-2015", 32, 0.045, 0.0),
    ],
)
def test_with_the_papers_batch_the_rate_is_the_papers(
    name: str, batch: int, lr: float, decay: float
) -> None:
    found = chosen(name)
    assert found["batch"].value == batch
    assert found["lr"].value == lr
    assert found["weight_decay"].value == decay
    half = chosen(name, batch=batch // 2)["lr"]
    assert half.value == pytest.approx(lr / 2)
    assert f"{lr:g} for {batch} pictures" in half.reason
    assert chosen(name, optimizer="adam")["lr"].value == chosen("default", optimizer="adam",
                                                               batch=batch)["lr"].value  # fmt: skip


def test_the_passes_follow_from_the_steps() -> None:
    assert value("resnet-2015", "epochs") == round(600_000 * 256 / MANY)
    assert value("resnet-cifar-2015", "epochs") == round(64_000 * 128 / 45_000)
    assert value("squeezenet-2016", "epochs") == round(170_000 * 512 / MANY)
    assert value("vgg-2014", "epochs") == round(370_000 * 256 / MANY)


def test_cifar_drops_at_32k_and_48k_of_64k_and_shrinks() -> None:
    for epochs in (182, 40):
        found = chosen("resnet-cifar-2015", epochs=epochs)
        schedule = Schedule(
            name="step", peak=found["lr"].value, steps=64_000, steps_per_epoch=352,
            milestones=found["milestones"].value, step_factor=found["step_factor"].value,
        )  # fmt: skip
        rates = [schedule.at(step) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_inception_loses_6_per_cent_every_2_of_100_passes() -> None:
    drops = value("inception-v3-2015", "milestones", epochs=10)
    assert len(drops) == 49
    assert drops[:2] == (0.02, 0.04)
    assert value("inception-v3-2015", "step_factor") == 0.94


def test_googlenet_loses_4_per_cent_every_8_passes_of_any_number() -> None:
    assert value("googlenet-2014", "milestones", epochs=32) == (0.25, 0.5, 0.75)
    assert value("googlenet-2014", "milestones", epochs=8) == ()


def test_what_the_user_sets_stands() -> None:
    found = chosen("resnet-cifar-2015", schedule="cosine", augment=("none",), milestones=(0.9,))
    assert found["milestones"].value == (0.9,)
    assert found["augment"].value == ("none",)
    assert chosen("resnet-cifar-2015", schedule="cosine")["milestones"].value == ()
    assert chosen("vgg-2014", optimizer="adamw")["weight_decay"].value == 0.05


def test_differences_from_the_notes_are_told() -> None:
    assert "0.1; the paper says 0.01" in PAPER_RECIPES["vgg-2014"].remarks
    assert "1e-5; the paper says 1e-4" in PAPER_RECIPES["resnet-2015"].remarks
