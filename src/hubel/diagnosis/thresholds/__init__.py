"""Every number that a symptom is judged by, in one table, with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.thresholds import data, fitting, training
from hubel.diagnosis.thresholds.row import Threshold

THRESHOLDS: Final[Mapping[str, Threshold]] = MappingProxyType(
    {row.name: row for row in (*training.ROWS, *data.ROWS, *fitting.ROWS)}
)


def threshold(name: str) -> float:
    """Return the value of a threshold. Errors: KeyError where the table has none such."""
    return THRESHOLDS[name].value
