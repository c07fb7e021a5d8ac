"""Numbers and lists as people read them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from hubel.results import Metric

NOTHING = "–"
"""Stands where there is no number."""

ROUNDING = 1e-9
"""A share this close to 0 or 1 is taken to be it: sums in float64 end a few of 1e-16 beside."""


def percent(value: float, digits: int = 1) -> str:
    """Return a share as a percentage that says 0% or 100% only where it is that, up to rounding.

    >>> percent(0.9833), percent(1.0), percent(0.99996)
    ('98.3%', '100%', '99.996%')
    """
    if not math.isfinite(value):
        return NOTHING
    if min(abs(value), abs(value - 1)) < ROUNDING:
        return "0%" if value < 0.5 else "100%"
    for places in range(digits, 5):
        text = f"{value * 100:.{places}f}"
        if float(text) not in (0.0, 100.0):
            return f"{text}%"
    return "under 0.0001%" if value < 0.5 else "over 99.9999%"


def chance(value: float) -> str:
    """Return a probability as a percentage with one decimal, never 0% or 100%.

    >>> chance(0.9833), chance(0.99996), chance(1.0), chance(0.0002)
    ('98.3%', 'over 99.9%', 'over 99.9%', 'under 0.1%')
    """
    if not math.isfinite(value):
        return NOTHING
    if value > 0.999:
        return "over 99.9%"
    return "under 0.1%" if value < 0.001 else f"{value * 100:.1f}%"


def number(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, thousands parted by commas.

    >>> number(0.054321), number(12345.6), number(2.0)
    ('0.0543', '12,346', '2')
    """
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 8:
        mantissa = f"{value / 10.0**exponent:.{digits - 1}f}"
        return f"{mantissa}×10^{exponent}".replace("-", "−")
    text = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def interval(metric: Metric, *, share: bool) -> str:
    """Return the 95% interval of a metric, as `96.4–99.2%` or `2.1–2.6`."""
    if not (math.isfinite(metric.low) and math.isfinite(metric.high)):
        return NOTHING
    show = percent if share else number
    low, high = show(metric.low), show(metric.high)
    return f"{low.removesuffix('%')}–{high}" if high.endswith("%") else f"{low} to {high}"


def count(amount: int, noun: str) -> str:
    """Return an amount with its noun, in the plural where it must be.

    >>> count(1, "class"), count(1797, "picture"), count(10, "class")
    ('1 class', '1,797 pictures', '10 classes')
    """
    ending = "" if amount == 1 else "es" if noun.endswith(("s", "x", "ch")) else "s"
    return f"{amount:,} {noun}{ending}"


def duration(seconds: float) -> str:
    """Return a time as a person says it.

    >>> duration(0.42), duration(41.3), duration(252), duration(7500)
    ('0.4 s', '41 s', '4 min 12 s', '2 h 05 min')
    """
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def listing(names: Sequence[str]) -> str:
    """Return names as a list in a sentence.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def setting(value: Any) -> str:
    """Return a JSON or TOML value as it is shown in the table of settings."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}" if math.isfinite(value) else NOTHING
        case int():
            return str(value)
        case str():
            return value or "(empty)"
        case [list() | tuple(), *_]:
            return "; ".join(setting(item) for item in value)
        case list() | tuple():
            return ", ".join(setting(item) for item in value) or "none"
        case dict():
            return ", ".join(f"{key}: {setting(item)}" for key, item in value.items()) or "none"
        case _:
            return json.dumps(value, default=str)


def measures(name: str) -> str:
    """Return the name of a metric in words."""
    return {
        "accuracy": "Accuracy",
        "top5": "Among the first five",
        "loss": "Loss",
        "ece": "Calibration error",
        "map": "Mean average precision",
        "micro_f1": "F1, micro",
        "macro_f1": "F1, macro",
        "exact_match": "All labels right",
        "mae": "Mean absolute error",
        "rmse": "Root mean square error",
        "r2": "R²",
    }.get(name, name)


def is_share(name: str) -> bool:
    """Return whether a metric is a share of pictures or of probability, shown in percent."""
    return name in {"accuracy", "top5", "ece", "map", "micro_f1", "macro_f1", "exact_match"}
