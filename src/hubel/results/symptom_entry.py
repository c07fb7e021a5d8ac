"""What `hubel diagnose --list` says of one symptom."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.results.finding import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class SymptomEntry:
    """One symptom of the table: what it means and how it is looked for."""

    id: str
    meaning: str
    """What is wrong, in one sentence."""
    tier: int
    """The evidence that it needs at least: 0 certain facts, 1 telemetry, 2 active tests."""
    statistic: str
    """What is measured."""
    threshold: str
    """What it is compared with."""
    severity: Severity
    remedy: str
    source: str
    """Bibliography key, or `hubel`."""
    brings_about: tuple[str, ...]
    """Symptoms that it explains, directly."""
