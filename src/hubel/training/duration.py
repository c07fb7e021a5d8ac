"""Wall-clock times as people write them."""

from __future__ import annotations

import re
from typing import Final

from hubel.errors import UsageError

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, option: str) -> float:
    """Return seconds of a time written as 90s, 10m, 1.5h or 1h30m.

    Errors: UsageError that names `option`.

    >>> parse_duration("1h30m", "--budget")
    5400.0
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise UsageError(f"{option} takes a time such as 90s, 10m or 1h30m, not {text!r}.")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise UsageError(f"{option} takes a time above zero, not {text!r}.")
    return seconds


def spoken(seconds: float) -> str:
    """Return a time for people: 8.4 s, 2 min 5 s, 1 h 3 min.

    >>> spoken(125)
    '2 min 5 s'
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
