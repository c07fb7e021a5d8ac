"""What a network says of one picture; one line of `hubel predict --json`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The answer for one picture."""

    path: str
    label: str
    """The most probable class; several labels joined by `;`; the numbers joined by `;`."""
    probability: float
    """Calibrated; NaN for numbers."""
    unknown: bool
    top: tuple[tuple[str, float], ...]
    """Classes with calibrated probability, most probable first; targets with numbers."""
    error: str = ""
    """Why there is no answer; empty where there is one."""
