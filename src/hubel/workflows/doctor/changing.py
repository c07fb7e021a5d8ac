"""Options of `hubel train` as text: taken into options, and written as a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from hubel.errors import UsageError, close_matches
from hubel.options import TrainOptions
from hubel.options.gathering import gather_options
from hubel.results import DEFAULT
from hubel.workflows.checks import flag, set_by_user


def changed(options: TrainOptions, changes: Mapping[str, str]) -> TrainOptions:
    """Return options with `changes` put in, as on a command line: {"--lr": "0.001"}.

    A flag without a value, or with the value true, is switched on; `--no-` switches it off; the
    value default stands for the flag left out. Several values of a list stand with spaces or commas
    between. Errors: UsageError for a flag that `hubel train` does not have, and for a value that it
    does not take.
    """
    types = get_type_hints(TrainOptions)
    settings = dict(_read(name, text, types) for name, text in changes.items())
    return gather_options(TrainOptions, options, settings)


def _read(name: str, text: str, types: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the field and the value of one flag."""
    field = name.removeprefix("--").replace("-", "_")
    if field not in types and types.get(field.removeprefix("no_")) is bool:
        return field.removeprefix("no_"), False
    if field not in types:
        raise UsageError(
            f"hubel train has no option {name!r}: {close_matches(name, map(flag, types))}"
        )
    if text == DEFAULT:
        return field, next(one.default for one in fields(TrainOptions) if one.name == field)
    kind = types[field]
    if kind is bool and not text:
        return field, True
    if any(getattr(one, "__origin__", None) is tuple for one in (kind, *get_args(kind))):
        return field, _converted(name, text.replace(",", " ").split(), kind)
    return field, text if Path in (kind, *get_args(kind)) else _converted(name, text, kind)


def _converted(name: str, text: str | list[str], kind: Any) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        what = str(error).partition(" - at ")[0].replace("`", "")
        raise UsageError(f"{name} cannot be {text!r}: {what}.") from error


def command_of(source: str, options: TrainOptions) -> str:
    """Return the command line that trains on `source` with these options."""
    words = ["hubel", "train", source]
    for name, value in set_by_user(options).items():
        if isinstance(value, bool):
            off = f"--no-{name.replace('_', '-')}"
            words.append(flag(name) if value else off)
        elif isinstance(value, tuple):
            words += [word for one in value for word in (flag(name), str(one))]
        else:
            words += [flag(name), str(value)]
    return shlex.join(words)
