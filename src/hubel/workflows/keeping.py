"""What a run keeps of what the user set: `options.toml`, which --config reads again."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from hubel.errors import RunError, UsageError
from hubel.options import TrainOptions
from hubel.options.gathering import gather_options
from hubel.results import Run
from hubel.workflows.checks import RESUMABLE, set_by_user


def options_toml(source: str, options: TrainOptions) -> bytes:
    """Return what the user set as TOML, the source included."""
    settings = {"source": source, **_kept(options)}
    return tomli_w.dumps(settings).encode()


def _kept(options: TrainOptions) -> dict[str, Any]:
    """Return the set options as TOML values, without those that do not outlive the call."""
    passing = {"resume", "json", "verbose", "out", "trust_code"}
    return {
        name: _toml(value) for name, value in set_by_user(options).items() if name not in passing
    }


def _toml(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def has_not_begun(run: Run) -> bool:
    """Whether a training was stopped in this folder before its first step: nothing is lost."""
    return run.options_file.is_file() and not run.plan_file.is_file()


def kept_options(run: Run, options: TrainOptions) -> tuple[str, TrainOptions]:
    """Return source and options of a training that was stopped before its first step.

    `options` are those beside --resume; they win. Errors: RunError where `options.toml` cannot be
    read, or says what is no option.
    """
    file = run.options_file
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
        source = settings.pop("source", None)
        stored = gather_options(TrainOptions, None, settings)
    except OSError as error:
        raise RunError(f"Could not read {file}: {error.strerror or error}.") from error
    except (ValueError, RecursionError, UsageError) as error:
        raise RunError(f"{file} cannot be used: {error} Mend it, or train anew.") from error
    if not isinstance(source, str):
        raise RunError(f"{file} names no source of pictures: mend it, or train anew.")
    anew = {name: value for name, value in set_by_user(options).items() if name in RESUMABLE}
    return source, replace(stored, **{**anew, "resume": None})
