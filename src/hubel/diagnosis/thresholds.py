"""Every number that a symptom is judged by, in one table, with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number."""

    name: str
    """Id of the symptom, a point, and what is compared: `loss/initial.distance`."""
    value: float
    meaning: str
    source: str
    """Bibliography key; `calibrated` where it was set on the calibration half of the suite."""


_ROWS: Final[tuple[Threshold, ...]] = (
    # causes
    Threshold(
        "causes.support", 0.5, "share of an effect's confidence that speaks for its cause", "hubel"
    ),
    Threshold("causes.most", 0.99, "confidence of a cause that is not certain, at most", "hubel"),
)

THRESHOLDS: Final[Mapping[str, Threshold]] = MappingProxyType({row.name: row for row in _ROWS})


def threshold(name: str) -> float:
    """Return the value of a threshold. Errors: KeyError where the table has none such."""
    return THRESHOLDS[name].value
