"""From the keyword arguments of a Python call to the options of a verb, checked as flags are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hubel.errors import UsageError, close_matches
from hubel.options.data import DataOptions
from hubel.options.diagnose import DiagnoseOptions
from hubel.options.evaluate import EvaluateOptions
from hubel.options.predict import PredictOptions
from hubel.options.report import ReportOptions
from hubel.options.train import TrainOptions

Options = TypeVar(
    "Options",
    bound=DataOptions
    | TrainOptions
    | EvaluateOptions
    | PredictOptions
    | ReportOptions
    | DiagnoseOptions,
)


def gather_options(
    kind: type[Options], options: Options | None, settings: Mapping[str, Any]
) -> Options:
    """Return `options` (or the defaults of `kind`) with `settings` put in.

    Paths may be given as text, tuples as lists. Errors: UsageError for a name that is no option,
    and for a value of another type or outside the choices.
    """
    known = [field.name for field in fields(kind)]
    for name in settings:
        if name not in known:
            raise UsageError(f"There is no option {name!r}: {close_matches(name, known)}")
    given = {} if options is None else asdict(options)
    try:
        return msgspec.convert({**given, **settings}, kind, dec_hook=_as_path)
    except msgspec.ValidationError as error:
        raise UsageError(_sentence(str(error), settings)) from error


def _as_path(kind: type, value: Any) -> Path:
    """Turn text into a path."""
    assert kind is Path, "options hold no other type that msgspec does not know"
    if not isinstance(value, str | Path):
        raise ValueError(f"Expected `path`, got `{type(value).__name__}`")  # noqa: TRY004 - msgspec's
    return Path(value)


def _sentence(text: str, settings: Mapping[str, Any]) -> str:
    """Return msgspec's message as a sentence that names the option and what came."""
    what, _, where = text.partition(" - at ")
    found = re.search(r"\$\.(\w+)", where)
    name = found[1] if found else ""
    came = f" {settings[name]!r}" if name in settings else ""
    return f"The option {name}{' cannot be' if came else ''}{came}: {what.replace('`', '')}."
