"""One active test: what it measured, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The outcome of one test."""

    name: str
    healthy: bool
    """Whether a network that is well would have given this."""
    evidence: str
    """What was measured, with numbers."""
    measured: Mapping[str, float] = field(default_factory=dict)
    where: tuple[str, ...] = ()
    """Pictures or layers that the test names."""


Test = Callable[[Setting, Subject], Trial | Unknown]
"""A test. It draws from generators of its own, with a fixed seed: the same answer at each call."""
