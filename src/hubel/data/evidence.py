"""What the rules look at, and how a finding is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.data.duplicates import Duplicates
from hubel.data.scanning import Scan
from hubel.data.source import Source
from hubel.results import Finding, Severity

WHERE_LIMIT: Final = 100
"""Pictures that a finding names at most; `what` says how many there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that the rules look at."""

    source: Source
    scanned: Scan
    duplicates: Duplicates
    splits: NDArray[np.int8]
    """The final ones."""

    def keys(self, positions: NDArray[np.int64]) -> list[str]:
        """Return the names of the pictures at `positions`."""
        keys = self.source.index.keys
        return [keys[int(position)] for position in positions]


def named(names: tuple[str, ...], chosen: NDArray[np.bool_]) -> list[str]:
    """Return the names that are chosen."""
    return [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]


def finding(
    identity: str,
    severity: Severity,
    what: str,
    *,
    where: Sequence[str] = (),
    evidence: str,
    threshold: str = "",
    remedy: str,
    confidence: float = 1.0,
    source: str = "hubel",
    limit: int | None = WHERE_LIMIT,
) -> Finding:
    """Return a finding that names at most `limit` pictures."""
    return Finding(
        id=identity,
        what=what,
        where=tuple(where[:limit]),
        evidence=evidence,
        threshold=threshold,
        severity=severity,
        confidence=confidence,
        remedy=remedy,
        source=source,
    )
