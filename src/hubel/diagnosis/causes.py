"""What brings about what: the graph by which one root cause is named.

An edge from a to b says: where a is there, b is what one would see, and needs no cause of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.symptom import Sign
from hubel.diagnosis.table import SYMPTOMS

BRINGS_ABOUT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
"""Symptoms that a symptom explains, directly; a family's name (`fit/`) stands for all of it."""

_SEVERITY: Final = {"error": 0, "warning": 1, "note": 2}


def explained_by(symptom: str) -> frozenset[str]:
    """Return all symptoms that `symptom` explains, over any number of edges, without itself."""
    found: set[str] = set()
    open_ = [symptom]
    while open_:
        for name in BRINGS_ABOUT.get(open_.pop(), ()):
            named = {one for one in SYMPTOMS if one.startswith(name)} if name[-1] == "/" else {name}
            open_ += named - found
            found |= named
    return frozenset(found - {symptom})


def ranked(signs: Mapping[str, Sign]) -> tuple[str, ...]:
    """Return the ids of confirmed signs, the root cause first.

    Those that no other one explains come first; among them the certain before the likely, errors
    before warnings, and what explains more before what explains less. Those that are explained
    follow in the same order.
    """
    explains = {name: explained_by(name) & signs.keys() for name in signs}
    return tuple(sorted(signs, key=lambda name: _rank(name, signs[name], explains)))


def _rank(
    name: str, sign: Sign, explains: Mapping[str, Collection[str]]
) -> tuple[bool, float, int, int, str]:
    others = [one for one, them in explains.items() if name in them and one not in explains[name]]
    severity = _SEVERITY[sign.severity or SYMPTOMS[name].severity]
    return bool(others), -sign.confidence, severity, -len(explains[name]), name


def roots(order: Sequence[str]) -> tuple[str, ...]:
    """Return those of the ranked ids that no other one of them explains."""
    return tuple(
        name
        for name in order
        if not any(
            name in explained_by(one) and one not in explained_by(name)
            for one in order
            if one != name
        )
    )
