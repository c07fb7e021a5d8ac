"""Every setting has a value, who chose it, and why."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hubel.errors import RunError, UsageError
from hubel.options import TrainOptions
from hubel.results import Choice, Plan
from hubel.training.planning import (
    Facts,
    batches_of,
    choose_freezing,
    choose_steps,
    choose_strength,
    draft_settings,
    drops_last,
    extend,
)
from hubel.training.settings import Draft, Settings, settings_of

FACTS = Facts(
    source="digits",
    task="classification",
    outputs=10,
    channels=1,
    size=16,
    size_reason="because",
    train_pictures=1221,
)


def freeze(options: TrainOptions, facts: Facts = FACTS) -> tuple[Settings, Plan]:
    draft = draft_settings(options, facts)
    draft.choose("device", "cpu", "hubel", "measured")
    draft.choose("compile", False, "hubel", "measured")
    draft.choose("winograd", (), "hubel", "measured")
    draft.choose("native", False, "hubel", "measured")
    draft.choose("precision", "float32", "hubel", "measured")
    draft.choose("channels_last", True, "hubel", "measured")
    draft.choose("threads", 1, "hubel", "measured")
    choose_steps(draft, None, "")
    choose_strength(draft, options.augment_strength)
    choose_freezing(draft, options, ())
    return draft.freeze()


def test_the_plan_holds_every_setting_with_its_reason() -> None:
    settings, plan = freeze(TrainOptions())
    assert [choice.name for choice in plan.choices] == [field.name for field in fields(Settings)]
    assert all(choice.reason for choice in plan.choices)
    assert settings_of(plan) == settings
    assert settings.steps == settings.epochs * settings.steps_per_pass
    assert settings.steps_per_pass == -(-1221 // settings.batch)


def test_what_the_user_sets_stands() -> None:
    options = TrainOptions(
        optimizer="adam", lr=0.5, batch=100, epochs=3, schedule="step", label_smoothing=0.0,
        ema=0.0, clip=2.0, dropout=0.25, l1=0.1, loss="focal", patience=4, warmup=0.0,
        weight_decay=0.0, momentum=0.5, accumulate=2, augment=("none",), seed=9,
    )  # fmt: skip
    settings, plan = freeze(options)
    by_name = {choice.name: choice for choice in plan.choices}
    for name in ("optimizer", "lr", "batch", "epochs", "schedule", "label_smoothing", "ema",
                 "clip", "l1", "loss", "patience", "weight_decay", "momentum",
                 "accumulate", "augment", "seed", "dropout"):  # fmt: skip
        assert getattr(settings, name) == getattr(options, name), name
        assert by_name[name].chosen_by == "user", name
    assert settings.steps_per_pass == 7
    assert settings.steps == 21


def test_a_batch_holds_no_more_than_there_are_pictures() -> None:
    facts = Facts(**{field.name: getattr(FACTS, field.name) for field in fields(Facts)}
                  | {"train_pictures": 11})  # fmt: skip
    settings, _ = freeze(TrainOptions(batch=64), facts)
    assert settings.batch == 11
    assert settings.steps_per_pass == 1


def test_gradient_descent_takes_one_step_a_pass() -> None:
    settings, _ = freeze(TrainOptions(optimizer="gd", batch=100))
    assert settings.accumulate == 13
    assert settings.steps_per_pass == 1


@pytest.mark.parametrize(
    ("pictures", "batch", "batches", "dropped"),
    [(10, 3, 3, True), (10, 4, 3, False), (1, 4, 1, False), (9, 3, 3, False), (5, 1, 5, False)],
)
def test_a_last_batch_of_one_is_left_out(
    pictures: int, batch: int, batches: int, dropped: bool
) -> None:
    assert drops_last(pictures, batch) is dropped
    assert batches_of(pictures, batch) == batches


def test_a_budget_sets_steps_and_passes() -> None:
    draft = draft_settings(TrainOptions(batch=100), FACTS)
    choose_steps(draft, 40, "measured")
    assert draft["steps"] == 40
    assert draft["epochs"] == 4


def test_extending_changes_steps_and_nothing_else() -> None:
    settings, plan = freeze(TrainOptions(epochs=3, batch=100))
    longer, longer_plan = extend(plan, 10, done=39)
    assert longer.steps == 130
    changed = {
        before.name
        for before, after in zip(plan.choices, longer_plan.choices, strict=True)
        if before != after
    }
    assert changed == {"steps", "epochs", "extended_after"}
    assert longer.extended_after == 3
    assert settings_of(longer_plan) == longer
    assert settings.steps == 39


def test_a_run_cannot_be_made_shorter_than_it_is() -> None:
    _, plan = freeze(TrainOptions(epochs=3, batch=100))
    with pytest.raises(UsageError, match="has trained 3 passes already: give --epochs 4 or more"):
        extend(plan, 2, done=39)


def test_a_damaged_plan_is_told() -> None:
    plan = Plan(choices=(Choice(name="lr", value="fast", chosen_by="user", reason="x"),))
    with pytest.raises(RunError, match=r"plan\.json is damaged or was edited"):
        settings_of(plan)


def test_a_draft_without_all_settings_is_no_plan() -> None:
    with pytest.raises(KeyError, match="source"):
        Draft({}).freeze()


@pytest.mark.parametrize(("epochs", "strength"), [(1, 0.25), (10, 0.5), (20, 1.0), (90, 1.0)])
def test_few_passes_are_augmented_less(epochs: int, strength: float) -> None:
    assert freeze(TrainOptions(epochs=epochs))[0].augment_strength == strength
    assert freeze(TrainOptions(epochs=epochs, augment_strength=0.7))[0].augment_strength == 0.7
