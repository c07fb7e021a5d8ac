"""Recipes: fitted to the data, the user's word stands, every choice has its reason."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.training.optimizers import OPTIMIZERS
from hubel.training.recipes import (
    ADAPTIVE,
    NO_WARMUP,
    RECIPES,
    fitted_batch,
    fitted_epochs,
    fitted_lr,
    resolve,
)
from hubel.training.schedules import SHAPES, Schedule


def values(choices):
    return {choice.name: choice.value for choice in choices}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_choice_is_an_option_and_has_a_reason(recipe):
    choices = resolve(recipe, {}, pictures=1000)
    names = [choice.name for choice in choices]
    unset = {
        field.name: field.default
        for field in dataclasses.fields(TrainOptions)
        if field.name in names
    }
    assert len(names) == len(set(names))
    assert unset == dict.fromkeys(names)
    assert all(choice.reason and choice.chosen_by == "recipe" for choice in choices)


@given(pictures=st.integers(1, 10**7))
def test_fitted_values_stay_in_their_bounds(pictures):
    assert 8 <= fitted_epochs(pictures) <= 120
    batch = fitted_batch(pictures)
    assert batch in {16, 32, 64, 128}
    assert fitted_epochs(pictures + 1) <= fitted_epochs(pictures)
    assert fitted_batch(pictures + 1) >= batch


def test_fitted_values_of_known_sets():
    assert [fitted_epochs(n) for n in (140, 1_221, 51_000)] == [120, 57, 9]
    assert [fitted_batch(n) for n in (140, 1_221, 51_000)] == [32, 64, 128]
    assert fitted_epochs(50, whole_split=True) == 300


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rate_follows_the_batch(name):
    base = OPTIMIZERS[name].lr
    factor = 1 if name == "gd" else 0.5 if name in ADAPTIVE else 0.25
    assert fitted_lr(name, 128) == base
    assert fitted_lr(name, 32) == pytest.approx(base * factor)
    assert fitted_lr(name, 10**6) == (base if name == "gd" else 4 * base)
    assert fitted_lr(name, 1) == pytest.approx(base if name == "gd" else base / (8))


def test_what_the_user_sets_stands_and_the_rest_follows():
    chosen = {"optimizer": "sgd", "batch": 64, "schedule": "onecycle", "weight_decay": 0.0}
    choices = resolve("default", {**chosen, "lr": None, "accumulate": 4}, pictures=1000)
    for choice in choices:
        if choice.name in chosen:
            assert choice.value == chosen[choice.name]
            assert choice.chosen_by == "user"
            assert choice.reason == f"set by --{choice.name.replace('_', '-')}"
        else:
            assert choice.chosen_by == "recipe"
    found = values(choices)
    assert found["lr"] == pytest.approx(2 * OPTIMIZERS["sgd"].lr)
    assert found["momentum"] is None
    assert found["warmup"] == 0.0


def test_tasks_choose_their_loss():
    for task, loss, smoothing in (
        ("classification", "cross-entropy", RECIPES["default"].label_smoothing),
        ("multilabel", "bce", 0.0),
        ("regression", "smooth-l1", 0.0),
    ):
        found = values(resolve("default", {}, pictures=500, task=task))
        assert (found["loss"], found["label_smoothing"]) == (loss, smoothing)


@pytest.mark.parametrize("schedule", SHAPES)
def test_every_schedule_can_be_built_from_what_is_resolved(schedule):
    found = values(resolve("default", {"schedule": schedule}, pictures=500))
    made = Schedule(
        name=schedule, peak=found["lr"], steps=50, steps_per_epoch=5, warmup_share=found["warmup"]
    )
    assert made.at(49) > 0
    assert (found["warmup"] == 0.0) == (schedule in NO_WARMUP or not RECIPES["default"].warmup)


def test_published_weights_are_tuned_with_adamw_unless_something_else_is_set():
    def optimizer(recipe="default", **given):
        choices = resolve(recipe, given, pictures=500, pretrained=True)
        return next(choice for choice in choices if choice.name == "optimizer")

    assert optimizer().value == "adamw"
    assert optimizer().reason == "for weights that have learned already"
    assert optimizer(optimizer="muon").value == "muon"
    assert optimizer("classical").value == RECIPES["classical"].optimizer
    assert values(resolve("default", {}, pictures=500))["optimizer"] == "muon"


@pytest.mark.parametrize("model", ["resnet18", "torchvision:mobilenet_v2", "net.py:build"])
def test_muon_is_the_default_only_where_it_was_measured(model: str):
    def optimizer(name, recipe="default", **given):
        choices = resolve(recipe, given, pictures=500, model=name)
        return next(choice for choice in choices if choice.name == "optimizer")

    assert optimizer(model).value == "adamw"
    assert "measured on hubelnet" in optimizer(model).reason
    assert optimizer(model, optimizer="muon").value == "muon"
    assert optimizer(model, "classical").value == RECIPES["classical"].optimizer
    assert optimizer("hubelnet").value == "muon"


def test_gd_takes_more_passes():
    found = values(resolve("default", {"optimizer": "gd"}, pictures=51_000))
    assert (found["epochs"], found["lr"]) == (300, OPTIMIZERS["gd"].lr)


def test_unknown_names():
    with pytest.raises(UsageError, match="There is no recipe 'defualt': did you mean default"):
        resolve("defualt", {}, pictures=1)
    with pytest.raises(UsageError, match=re.escape("There is no optimizer 'adan': did you mean")):
        resolve("default", {"optimizer": "adan"}, pictures=1)
