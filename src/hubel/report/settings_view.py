"""The sections about settings and provenance: who chose what and why, and how to do it again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hubel.report.view import Fact, command
from hubel.report.words import count, setting
from hubel.results import ModelCard, Plan, Provenance, Run

_HALVED: Final = {"halvings": "step", "validation_halvings": "the validation after step"}
CHOOSERS: Final = {
    "user": "Set by you",
    "recipe": "Set by the recipe",
    "hubel": "Chosen by hubel",
    "default": "Left at the default",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting with its reason."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Settings that one side chose; those that nobody thought about are folded away."""

    title: str
    rows: tuple[Setting, ...]
    folded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsView:
    """Settings by who chose them, and the options file as text."""

    groups: tuple[Group, ...]
    options: str
    note: str
    frozen: str
    """When the plan was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceView:
    """Commands that make the result again, and what it was made with."""

    commands: tuple[tuple[str, str], ...]
    facts: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    digests: tuple[Fact, ...]


def settings_view(run: Run, plan: Plan) -> SettingsView:
    """Return the plan by who chose, with what `options.toml` adds to it."""
    text, options, note = _options(run)
    groups: dict[str, list[Setting]] = {who: [] for who in CHOOSERS}
    for choice in plan.choices:
        entry = Setting(name=choice.name, value=setting(choice.value), reason=choice.reason)
        groups.setdefault(choice.chosen_by, []).append(entry)
    known = {choice.name for choice in plan.choices}
    groups["user"] += [
        Setting(name=name, value=setting(value), reason="set by you, in options.toml")
        for name, value in options.items()
        if name not in known
    ]
    return SettingsView(
        groups=tuple(
            Group(title=CHOOSERS.get(who, who), rows=tuple(rows), folded=who == "default")
            for who, rows in groups.items()
            if rows or who == "user"
        ),
        options=text,
        note=note,
        frozen=_frozen(plan),
    )


def _frozen(plan: Plan) -> str:
    """Return when the plan was made, and what had to be revised on the way."""
    chosen = {choice.name: choice.value for choice in plan.choices}
    text = "The plan was frozen before the first step"
    revisions = chosen.get("revisions")
    if isinstance(revisions, list) and revisions:
        times = "once" if len(revisions) == 1 else f"{len(revisions)} times"
        text += f"; to keep the budget, its number of steps was revised {times} on the way"
    text += "."
    for name, what in _HALVED.items():
        for at, at_once in _pairs(chosen.get(name)):
            text += f" Memory ran out in {what} {at + (name == 'halvings'):,}: from there on at "
            text += f"most {count(at_once, 'picture')} went through the network at a time."
    return text


def _pairs(value: Any) -> list[tuple[int, int]]:
    """Return a value that a plan holds as pairs of numbers; none where it was edited."""
    try:
        return msgspec.convert(value, list[tuple[int, int]])
    except msgspec.ValidationError:
        return []


def _options(run: Run) -> tuple[str, Mapping[str, Any], str]:
    """Return `options.toml` as text and as values, and a sentence where it cannot be read."""
    try:
        text = run.options_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", {}, "The run holds no options.toml."
    except (OSError, UnicodeDecodeError) as error:
        return "", {}, f"options.toml cannot be read: {error}."
    try:
        return text, tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        return text, {}, f"options.toml was damaged or edited: {error}."


def _commands(run: Run, given: str, source: str, *, trained: bool) -> tuple[tuple[str, str], ...]:
    """Return what each command is for, with the command."""
    again = command("hubel", "train", source or "SOURCE", "--config", run.options_file)
    commands = [("The command that was given", given)] if given else []
    commands.append(("The same settings on the same pictures", again))
    if trained:
        commands += [
            ("Measure it again", command("hubel", "evaluate", run.path)),
            ("Use it", command("hubel", "predict", run.path) + " PICTURES…"),
        ]
    return (*commands, ("Write this page again", command("hubel", "report", run.path)))


def provenance_view(
    run: Run, provenance: Provenance | None, card: ModelCard | None, source: str
) -> ProvenanceView:
    """Return how to make the result again."""
    given = provenance.command if provenance else ""
    commands = _commands(run, given, source, trained=card is not None)
    if provenance is None:
        return ProvenanceView(commands=commands, facts=(), versions=(), digests=())
    return ProvenanceView(
        commands=commands,
        facts=(
            Fact(name="Processor", value=provenance.processor),
            Fact(name="Platform", value=provenance.platform),
            Fact(name="Threads", value=str(provenance.threads)),
            Fact(name="Seed", value=str(provenance.seed)),
        ),
        versions=tuple(
            Fact(name=name, value=version)
            for name, version in {
                "hubel": provenance.hubel,
                "Python": provenance.python,
                "torch": provenance.torch,
                **provenance.packages,
            }.items()
        ),
        digests=tuple(
            Fact(name=name, value=digest)
            for name, digest in (
                ("Data", provenance.data_digest),
                ("Weights", provenance.model_digest),
                ("Network's file", card.code_digest if card else ""),
            )
            if digest
        ),
    )
