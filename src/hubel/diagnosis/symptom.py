"""A symptom: its meaning, its rule, and what the rule may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hubel.results import Severity

if TYPE_CHECKING:
    from hubel.diagnosis.case import Case

Tier = Literal[0, 1, 2, 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """The symptom is there."""

    what: str
    """One sentence for people, with what was found."""
    evidence: str
    """What was measured, with numbers."""
    where: tuple[str, ...] = ()
    """Layers, pictures, steps."""
    confidence: float
    """1.0 only where certain (tier 0)."""
    confirmed: bool
    """Whether it is an alarm: certain, or its harm was seen, or a test has shown it. Else it is an
    observation."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """The statistic's values, by name, for plots and calibration."""
    severity: Severity | None = None
    """Milder than the symptom's where the case is."""
    remedy: str = ""
    """In place of the symptom's where the case has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Well:
    """The symptom was looked for and is not there."""

    evidence: str
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The symptom could not be looked for."""

    why: str
    """One sentence that says what was missing, without a capital letter or a full stop."""


Reading = Sign | Well | Unknown
"""What a rule answers. Where several layers have the symptom, one sign names them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """Something that may be wrong with a training, and the rule that looks for it."""

    id: str
    """Family and name: `gradient/vanishing`."""
    meaning: str
    """What is wrong, in one sentence."""
    tier: Tier
    """The evidence that it needs at least: 0 certain facts, 1 telemetry, 2 active tests."""
    statistic: str
    """What is measured, as a formula or in a few words."""
    threshold: str
    """What it is compared with, in words with the numbers of the table of thresholds."""
    severity: Severity
    remedy: str
    source: str
    find: Callable[[Case], Reading]
