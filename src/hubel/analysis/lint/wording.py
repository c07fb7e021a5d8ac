"""How rules write numbers and lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SHOWN: Final = 3


def by(sides: Sequence[float]) -> str:
    """Return sides as 3×3."""
    return "×".join(f"{side:g}" for side in sides)


def some(parts: Sequence[str], most: int = SHOWN) -> str:
    """Return the first parts, and how many more there are."""
    more = f"; and {len(parts) - most} more" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 layer` or `3 layers`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
