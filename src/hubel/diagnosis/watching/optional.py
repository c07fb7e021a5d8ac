"""Libraries that the callbacks need, and hubel does not."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hubel.errors import MissingExtraError


def optional(module: str, what: str) -> Any:
    """Return a module of an optional library. Errors: MissingExtraError: `what` needs an extra."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise MissingExtraError(what, "watch") from None
