"""What the numbers of a plan may be: a plan that was edited must not ask for the impossible."""

from __future__ import annotations

import math
from typing import Any, Final

from hubel.errors import RunError

_WHOLE: Final = {
    "outputs": (1, 1 << 24),
    "channels": (1, 1 << 12),
    "size": (1, 1 << 14),
    "epochs": (1, 1 << 40),
    "steps": (1, 1 << 48),
    "steps_per_pass": (1, 1 << 40),
    "batch": (1, 1 << 32),
    "accumulate": (1, 1 << 40),
    "threads": (1, 1 << 12),
    "freeze_epochs": (0, 1 << 40),
    "extended_after": (0, 1 << 40),
    "seed": (0, (1 << 63) - 1),
}
"""Least and greatest value."""


def check_limits(values: dict[str, Any]) -> None:
    """Raise RunError for a number of a plan that no training can have."""
    for name, (least, greatest) in _WHOLE.items():
        value: Any = values.get(name, least)
        if not least <= value <= greatest:
            raise RunError(
                f"plan.json is damaged or was edited: {name} is {value}, which is not in {least} "
                f"to {greatest}."
            )
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise RunError(f"plan.json is damaged or was edited: {name} is {value}.")
