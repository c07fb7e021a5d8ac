"""One number that a symptom is judged by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number."""

    name: str
    """Id of the symptom, a point, and what is compared: `loss/initial.distance`."""
    value: float
    meaning: str
    source: str
    """Bibliography key; `calibrated` where it was set on the calibration half of the suite."""
