"""Every setting of a training: what the user set, else what the recipe or hubel chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from hubel.architectures.arguments import parse_arguments
from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.options.train import NonFinite
from hubel.results import Choice, Plan, Task
from hubel.training.budget import Timeline
from hubel.training.duration import parse_duration
from hubel.training.halving import Halvings
from hubel.training.recipes import fitted_strength, resolve
from hubel.training.settings import UNSET, ChosenBy, Draft, Settings, settings_of

_PLAIN: Final = ("focal_gamma", "balance", "l1", "accumulate", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known before the settings are chosen."""

    source: str
    task: Task
    outputs: int
    channels: int
    size: int
    size_reason: str
    train_pictures: int
    pretrained: str = ""
    """Origin of the published weights to start from."""
    cache_bytes: int = 0
    cache_reason: str = UNSET


def draft_settings(options: TrainOptions, facts: Facts) -> Draft:
    """Choose all settings but those that are measured: arithmetic, threads, number of steps."""
    draft = Draft({})
    for name in _PLAIN:
        _take(draft, name, getattr(options, name), TrainOptions.__dataclass_fields__[name].default)
    given = {name: getattr(options, name) for name in TrainOptions.__dataclass_fields__}
    for choice in resolve(
        options.recipe,
        given,
        pictures=facts.train_pictures,
        task=facts.task,
        model=options.model,
        pretrained=bool(facts.pretrained),
    ):
        draft.choices[choice.name] = choice
    _choose_network(draft, options, facts)
    _own(draft, "patience", options.patience, None, "the schedule ends the training", "default")
    every = parse_duration(options.checkpoint_every, "--checkpoint-every")
    _take(draft, "checkpoint_every_s", every, 60.0)
    by_size: ChosenBy = "hubel" if options.cache == "auto" else "user"
    draft.choose("cache_bytes", facts.cache_bytes, by_size, facts.cache_reason)
    _take(draft, "processes", options.processes or 1, 1)
    _own(draft, "non_finite", options.non_finite, "stop", UNSET, "default")
    for name in ("halvings", "validation_halvings"):
        draft.choose(name, [], "default", "memory suffices so far")
    _fit_batch(draft, facts)
    return draft


def _choose_network(draft: Draft, options: TrainOptions, facts: Facts) -> None:
    draft.choose("source", facts.source, "user", "set by you")
    _take(draft, "model", options.model, "hubelnet")
    _take(draft, "model_arguments", parse_arguments(options.model_arguments), {})
    by_size: ChosenBy = "user" if options.size is not None else "hubel"
    draft.choose("size", facts.size, by_size, facts.size_reason)
    draft.choose("channels", facts.channels, "hubel", "colours of the pictures")
    draft.choose("task", facts.task, "hubel", "labels of the source")
    reason = "set by you; pictures are cut and scaled as for these weights, unless set otherwise"
    by_weights: ChosenBy = "user" if facts.pretrained else "default"
    draft.choose("pretrained", facts.pretrained, by_weights, reason if facts.pretrained else UNSET)
    draft.choose("outputs", facts.outputs, "hubel", "classes, labels or targets of the source")


def _fit_batch(draft: Draft, facts: Facts) -> None:
    """Bring batch and accumulation to what the training split holds."""
    if draft["batch"] > facts.train_pictures:
        reason = f"the training split holds {facts.train_pictures} pictures"
        draft.choose("batch", facts.train_pictures, "hubel", reason)
    draft.choose("micro_batch", draft["batch"], "default", UNSET)
    batches = batches_of(facts.train_pictures, draft["batch"])
    if draft["optimizer"] == "gd":
        draft.choose("accumulate", batches, "hubel", "gd takes one step a pass")
    draft.choose(
        "steps_per_pass",
        -(-batches // draft["accumulate"]),
        "default",
        f"{facts.train_pictures} pictures in batches of {draft['batch']}",
    )


def drops_last(pictures: int, batch: int) -> bool:
    """Return whether the last batch of a pass is left out: a batch of one has no statistics.

    Each pass has its own order, so it is another picture each time.
    """
    return pictures > batch > 1 and pictures % batch == 1


def batches_of(pictures: int, batch: int) -> int:
    """Return how many batches a pass has."""
    return pictures // batch if drops_last(pictures, batch) else -(-pictures // batch)


def choose_strength(draft: Draft, strength: float | None) -> None:
    """Set the strength of the augmentation, which follows from the number of passes."""
    epochs: int = draft["epochs"]
    _own(draft, "augment_strength", strength, fitted_strength(epochs), _passes(epochs))


def choose_steps(draft: Draft, steps: int | None, reason: str, budget_s: float = 0.0) -> None:
    """Set the number of steps: from the passes where `steps` is None, else from the budget."""
    per_pass: int = draft["steps_per_pass"]
    draft.choose("revisions", [], "default", "none so far")
    draft.choose("extended_after", 0, "default", "not extended so far")
    if steps is None:
        epochs: int = draft["epochs"]
        draft.choose(
            "steps", epochs * per_pass, "default", f"{_passes(epochs)} of {per_pass} steps"
        )
        draft.choose("budget_s", None, "default", UNSET)
        return
    draft.choose("steps", steps, "hubel", reason)
    draft.choose("epochs", -(-steps // per_pass), "hubel", reason)
    draft.choose("budget_s", budget_s, "user", "what --budget leaves for training")


def choose_freezing(draft: Draft, options: TrainOptions, head: tuple[str, ...]) -> None:
    """Set how long the body is frozen and how fast it learns after that.

    With published weights, the body rests for the first pass where there are more: the gradients
    of a head that knows nothing would change what the body has learned. After that it learns at a
    tenth of the head's rate. Source: howard2018universal, yosinski2014how.
    """
    layer = "the last layer, and what else is new"
    draft.choose("head", list(head), "hubel" if head else "default", layer if head else UNSET)
    for name in ("freeze_epochs", "body_lr"):
        if not head and getattr(options, name) is not None:
            raise UsageError(
                f"{draft['model']} has no linear or convolutional layer that could be its head: "
                f"leave out --{name.replace('_', '-')}."
            )
    epochs: int = draft["epochs"]
    if options.budget is None and (options.freeze_epochs or 0) > epochs:
        raise UsageError(
            f"--freeze-epochs {options.freeze_epochs} is more than the training has, which is "
            f"{_passes(epochs)}: give {epochs} to train the last layer alone, or more --epochs."
        )
    by: ChosenBy = "default"
    rest, factor = 0, 1.0
    rest_reason = factor_reason = UNSET
    if draft["pretrained"]:
        rest, factor, by = min(1, epochs - 1), 0.1, "hubel"
        rest_reason = (
            "the new head learns first, lest its random gradients spoil the body"
            if rest
            else "a single pass is too short to freeze anything"
        )
        factor_reason = "the body has learned already, and needs to change little"
    _own(draft, "freeze_epochs", options.freeze_epochs, rest, rest_reason, by)
    _own(draft, "body_lr", options.body_lr, factor, factor_reason, by)


def revise(plan: Plan, timeline: Timeline) -> Plan:
    """Return the plan with a budget's revised number of steps."""
    per_pass = int(plan["steps_per_pass"])
    at, total = timeline.revisions[-1]
    reason = f"--budget: measured anew after {at:,} steps; training ends after {total:,}"
    values = {
        "revisions": [list(revision) for revision in timeline.revisions],
        "epochs": -(-total // per_pass),
    }
    return _replaced(plan, values, "hubel", reason)


def revise_memory(plan: Plan, training: Halvings, validation: Halvings) -> Plan:
    """Return the plan with how many pictures go through the network at a time."""
    values = {
        "halvings": [list(entry) for entry in training.entries],
        "validation_halvings": [list(entry) for entry in validation.entries],
    }
    changed = {name: value for name, value in values.items() if value}
    return _replaced(plan, changed, "hubel", "memory ran out: (steps done, pictures at a time)")


def revise_non_finite(plan: Plan, non_finite: NonFinite) -> Plan:
    """Return the plan with what a resumed run does where a loss is not finite."""
    return _replaced(plan, {"non_finite": non_finite}, "user", "set with --resume")


def _replaced(plan: Plan, values: Mapping[str, Any], by: ChosenBy, reason: str) -> Plan:
    """Return the plan with other values for some settings, added where it is older than they."""
    new = {
        name: Choice(name=name, value=value, chosen_by=by, reason=reason)
        for name, value in values.items()
    }
    kept = tuple(new.pop(choice.name, choice) for choice in plan.choices)
    return Plan(choices=(*kept, *new.values()))


def extend(plan: Plan, epochs: int, done: int) -> tuple[Settings, Plan]:
    """Return settings and plan with `epochs` passes; `done` updates stand behind the weights.

    Errors: UsageError where the run has gone further already.
    """
    settings = settings_of(plan)
    steps = epochs * settings.steps_per_pass
    if steps < done:
        passes = -(-done // settings.steps_per_pass)
        raise UsageError(
            f"--epochs {epochs} lies behind this run, which has trained {passes} passes already: "
            f"give --epochs {passes + 1} or more, or leave it out."
        )
    values = {
        "steps": steps,
        "epochs": epochs,
        "budget_s": None,
        "revisions": [],
        "extended_after": done // settings.steps_per_pass,
    }
    choices = tuple(
        replace(choice, value=values[choice.name], chosen_by="user", reason="set with --resume")
        if choice.name in values and choice.value != values[choice.name]
        else choice
        for choice in plan.choices
    )
    longer = Plan(choices=choices)
    return settings_of(longer), longer


def _passes(number: int) -> str:
    return "1 pass" if number == 1 else f"{number} passes"


def _take(draft: Draft, name: str, value: Any, default: Any) -> None:
    """Choose a setting that has a plain default."""
    if value == default:
        draft.choose(name, value, "default", UNSET)
    else:
        draft.choose(name, value, "user", "set by you")


def _own(
    draft: Draft, name: str, mine: Any, otherwise: Any, reason: str, by: ChosenBy = "hubel"
) -> None:
    """Choose what the user set, else `otherwise` for `reason`."""
    if mine is not None:
        draft.choose(name, mine, "user", "set by you")
    else:
        draft.choose(name, otherwise, by, reason)
