"""Where a training stands, as each checkpoint keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgspec

from hubel.results import EpochRow

_COLUMNS: Final = tuple(EpochRow.__dataclass_fields__)


@dataclass(slots=True)
class Progress:
    """Where a training stands; all of it is in each checkpoint."""

    step: int = 0
    """Updates that are done."""
    seconds: float = 0.0
    frozen_s: float = 0.0
    """Of `seconds`, those in which the body was frozen."""
    rows: list[EpochRow] = field(default_factory=list)
    best_score: float = -math.inf
    best_epoch: int = 0
    loss_sum: float = 0.0
    """Of the pass under way, over its pictures; likewise the three below."""
    hits: int = 0
    pictures: int = 0
    waited_s: float = 0.0
    pass_seconds: float = 0.0
    undone: int = 0
    """Steps that were undone and left out, because their loss or gradient was not finite."""
    in_a_row: int = 0
    """Of those, the last ones without another step between."""

    def values(self) -> dict[str, Any]:
        """Return all of it as JSON values; `from_values` takes them back exactly."""
        values = {name: getattr(self, name) for name in Progress.__dataclass_fields__}
        rows = [[asdict(row)[name] for name in _COLUMNS] for row in self.rows]
        return values | {"rows": rows}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Progress:
        """Return the progress that `values` gave.

        Errors: KeyError where something is missing, ValueError where it has another type.
        """
        found = {name: values[name] for name in cls.__dataclass_fields__}
        rows = [dict(zip(_COLUMNS, row, strict=True)) for row in found["rows"]]
        progress = msgspec.convert({**found, "rows": rows}, cls)
        if min(progress.step, progress.hits, progress.pictures) < 0:
            raise ValueError("a count is below 0")
        return progress
