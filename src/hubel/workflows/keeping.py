"""What a run keeps of what the user set: `options.toml`, which --config reads again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from hubel.options import TrainOptions
from hubel.workflows.checks import set_by_user


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
