"""The table of design rules, and the one function that applies it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from hubel.analysis.lint import (
    activations,
    connections,
    initialisation,
    normalisation,
    outputs,
    reductions,
    refusal,
    savings,
    sight,
    windows,
)
from hubel.analysis.lint.rule import Rule, Subject
from hubel.errors import look_up
from hubel.results import Finding

_ORDER: Final = {"error": 0, "warning": 1, "note": 2}
_FAMILIES: Final = (
    refusal,
    outputs,
    connections,
    windows,
    sight,
    reductions,
    activations,
    normalisation,
    initialisation,
    savings,
)
RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {rule.id: rule for family in _FAMILIES for rule in family.RULES}
)


def lint(subject: Subject, silence: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return what every rule finds, errors first, then warnings, then notes.

    `silence` holds ids of rules that are left out. Errors: UsageError for an id that is none.
    """
    for name in silence:
        look_up(RULES, name, "rule")
    found = [
        finding
        for rule in RULES.values()
        if rule.id not in silence
        for finding in rule.findings(subject)
    ]
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))
