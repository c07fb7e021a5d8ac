"""One shape for everything that hubel finds wrong: in data, in a network, in a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a user should know, with its evidence and its remedy."""

    id: str
    """Stable name of the rule, as `data/exact-duplicate`."""
    what: str
    """One sentence for people."""
    where: tuple[str, ...]
    """Pictures, layers or steps concerned."""
    evidence: str
    """What was measured."""
    threshold: str
    """What it was compared with; empty where the rule has none."""
    severity: Severity
    confidence: float
    """1.0 where certain."""
    remedy: str
    """What to try."""
    source: str
    """Where the rule comes from (bibliography key, or `hubel`)."""
