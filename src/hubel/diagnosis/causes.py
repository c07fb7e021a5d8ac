"""Which of several symptoms is at the root, and how sure that is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from hubel.diagnosis.brings_about import BRINGS_ABOUT, EFFECTS
from hubel.diagnosis.symptom import Reading, Sign
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.thresholds import threshold
from hubel.results import Severity

__all__ = ["BRINGS_ABOUT", "combined", "doubtful", "explained_by", "likeliest", "ranked", "roots"]

_SEVERITY: Final[Mapping[Severity, int]] = {"error": 0, "warning": 1, "note": 2}
_CODE: Final = ("loop/", "weights/", "loss/", "data/", "labels/")
_DESIGN: Final = "design/"
_APART: Final = "speed/"
"""A family that costs time, never accuracy: it is at the root of nothing else."""


def explained_by(symptom: str) -> frozenset[str]:
    """Return all symptoms that `symptom` explains, over any number of edges, without itself."""
    found: set[str] = set()
    ahead = list(BRINGS_ABOUT.get(symptom, ()))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += BRINGS_ABOUT.get(name, ())
    return frozenset(found - {symptom})


def doubtful(signs: Mapping[str, Sign]) -> frozenset[str]:
    """Return the confirmed signs that a certain fault takes the ground from.

    That a training suffers makes an alarm of a weakness of the design. Where a fault of the loop,
    the weights, the loss, the data or the labels is certain, it is enough of a reason, and says
    nothing of the design; only errors of the design stay.
    """
    certain = any(
        sign.confidence >= 1.0 and name not in EFFECTS and name.startswith(_CODE)
        for name, sign in signs.items()
    )
    return frozenset(
        name
        for name, sign in signs.items()
        if certain
        and name.startswith(_DESIGN)
        and (sign.severity or SYMPTOMS[name].severity) != "error"
    )


def combined(signs: Mapping[str, Sign]) -> dict[str, float]:
    """Return how sure each sign is, given the others.

    A sign that explains others is surer than it was alone: 1 - (1 - c) prod(1 - s c_e) over the
    signs e that it explains and that no other root explains, where s is the share of an effect's
    confidence that speaks for its cause. Only what was certain alone is 1. Source: hubel.
    """
    share = threshold("causes.support")
    most = threshold("causes.most")
    explains = {name: explained_by(name) & signs.keys() for name in signs}
    at_root = [name for name in signs if not any(name in them for them in explains.values())]
    found: dict[str, float] = {}
    for name, sign in signs.items():
        rivals = {one for root in at_root if root != name for one in explains[root]}
        doubt = 1.0 - sign.confidence
        for effect in explains[name] - rivals:
            doubt *= 1.0 - share * signs[effect].confidence
        sure = sign.confidence >= 1.0
        found[name] = 1.0 if sure else max(sign.confidence, min(1.0 - doubt, most))
    return found


def likeliest(readings: Mapping[str, Reading], harm: str) -> dict[str, Sign]:
    """Return the likeliest sign as an alarm, where a training suffers and none is confirmed.

    Its effect (`harm`, in words) is seen, though not proven to be its own: it is never more than
    possible.
    """
    if not isinstance(readings.get("fit/below-simple"), Sign):
        return {}
    signs = {
        name: reading
        for name, reading in readings.items()
        if isinstance(reading, Sign)
        and name not in EFFECTS
        and (reading.severity or SYMPTOMS[name].severity) != "note"
    }
    first = max(signs, key=lambda name: signs[name].confidence)
    sign = signs[first]
    confidence = min(sign.confidence, threshold("causes.last-resort"))
    evidence = sign.evidence if harm in sign.evidence else f"{sign.evidence}; {harm}"
    return {first: replace(sign, confirmed=True, confidence=confidence, evidence=evidence)}


def ranked(signs: Mapping[str, Sign]) -> tuple[str, ...]:
    """Return the ids of confirmed signs, the root cause first.

    Those that no other one explains come first. Among them: what costs accuracy before what costs
    time or is a note, the certain before the likely, faults before effects whose cause was not
    seen, errors before warnings, the surer (`combined`) before the less sure, and what explains
    more before what explains less. Those that are explained follow in the same order.
    """
    explains = {name: explained_by(name) & signs.keys() for name in signs}
    sureness = combined(signs)
    return tuple(sorted(signs, key=lambda name: _rank(name, signs[name], explains, sureness[name])))


def _rank(
    name: str, sign: Sign, explains: Mapping[str, Collection[str]], sureness: float
) -> tuple[bool, bool, bool, bool, int, float, int, str]:
    explained = any(name in them for one, them in explains.items() if one != name)
    severity = sign.severity or SYMPTOMS[name].severity
    return (
        explained,
        name.startswith(_APART) or severity == "note",
        sign.confidence < 1.0,
        name in EFFECTS,
        _SEVERITY[severity],
        -round(sureness, 6),
        -len(explains[name]),
        name,
    )


def roots(order: Sequence[str]) -> tuple[str, ...]:
    """Return those of the ranked ids that no other one of them explains, in their order."""
    explained = {effect for name in order for effect in explained_by(name)}
    return tuple(name for name in order if name not in explained)
