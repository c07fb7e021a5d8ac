"""The verdict in words: how well the training does, what is at the root, and what to do first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.causes import roots
from hubel.diagnosis.harm import Harm
from hubel.results import Checked, Finding, Prescription, Unchecked

_LIKELY: Final = 0.9
_PERHAPS: Final = 0.75


def verdict(
    case: Case,
    causes: Sequence[Finding],
    observations: Sequence[Finding],
    unchecked: Sequence[Unchecked],
    healthy: Sequence[Checked] = (),
    prescriptions: Sequence[Prescription] = (),
) -> str:
    """Return a few sentences: the root cause, how sure it is, what follows from it, what to do.

    Where nothing was found: how well the training does, and how much could be checked.
    """
    if not causes:
        return " ".join(_well(case, observations, unchecked, healthy))
    root = causes[0]
    parts = [_sentence(root.what), *_how_sure(root), *_others(causes)]
    state = _state(case)
    first = prescriptions[0] if prescriptions else None
    todo = f"First: {_lower(first.what)}" if first is not None and first.what else ""
    return " ".join(part for part in (*parts, state, _sentence(todo)) if part)


def sureness(confidence: float) -> str:
    """Return a confidence in a word.

    >>> sureness(1.0), sureness(0.93), sureness(0.8), sureness(0.6)
    ('certain', 'very likely', 'likely', 'possible')
    """
    if confidence >= 1.0:
        return "certain"
    if confidence >= _LIKELY:
        return "very likely"
    return "likely" if confidence >= _PERHAPS else "possible"


def _how_sure(root: Finding) -> tuple[str, ...]:
    if root.confidence >= 1.0:
        return ("This is certain.",)
    return (f"This is {sureness(root.confidence)} ({root.confidence:.0%}).",)


def _others(causes: Sequence[Finding]) -> tuple[str, ...]:
    """Say how many findings follow from the root, and how many stand beside it."""
    names = [cause.id for cause in causes]
    apart = [name for name in roots(names) if name != names[0]]
    follow = len(names) - 1 - len(apart)
    parts: list[str] = []
    if follow:
        parts.append(f"{follow} other finding{'s follow' if follow > 1 else ' follows'} from it.")
    if apart:
        whose = "have causes of their" if len(apart) > 1 else "has a cause of its"
        parts.append(f"{len(apart)} more {whose} own.")
    return tuple(parts)


def _well(
    case: Case,
    observations: Sequence[Finding],
    unchecked: Sequence[Unchecked],
    healthy: Sequence[Checked],
) -> list[str]:
    harm = _harm(case)
    parts = [_opening(harm)]
    state = _state(case)
    if state:
        parts.append(state)
    if healthy:
        parts.append(f"{_symptoms(len(healthy))} looked for and not found.")
    if observations:
        what = "observation does" if len(observations) == 1 else "observations do"
        parts.append(f"{len(observations)} {what} no harm that was seen.")
    if unchecked:
        could = _symptoms(len(unchecked)).rpartition(" ")[0]
        parts.append(f"{could} could not be looked for.")
    return parts


def _opening(harm: Harm | None) -> str:
    if harm is not None and harm.suffers:
        why = "The training does not go well, and nothing that explains it was found"
        return f"{why}: {harm.evidence}."
    if harm is not None and not harm.known:
        return f"Nothing was found to be wrong, but whether it goes well is {harm.evidence}."
    return "Nothing was found to be wrong."


def _harm(case: Case) -> Harm | None:
    """Return how the training went; None before its first step."""
    try:
        return case.harm if case.record.steps else None
    except KeyError:
        return None


def _state(case: Case) -> str:
    """Return how well the training does, as far as it is known; empty before the first step."""
    harm = _harm(case)
    if harm is None or case.setting.task != "classification":
        return ""
    reached = harm.train_accuracy if math.isnan(harm.val_accuracy) else harm.val_accuracy
    if math.isnan(reached):
        return ""
    where = "training" if math.isnan(harm.val_accuracy) else harm.on
    return f"The {where} accuracy is {reached:.1%}{_beside(harm)}."


def _beside(harm: Harm) -> str:
    parts = [
        f"{name} {value:.1%}"
        for name, value in (
            ("answering with the most frequent class gives", harm.chance),
            ("a simple classifier", harm.reference),
        )
        if not math.isnan(value)
    ]
    return f"; {', '.join(parts)}" if parts else ""


def _symptoms(number: int) -> str:
    return f"{number} symptom{'s were' if number > 1 else ' was'}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "?", "!")) else f"{text}."


def _lower(text: str) -> str:
    """Return `text` with its first letter small, unless the word is an acronym."""
    return text if text[:2].isupper() else f"{text[:1].lower()}{text[1:]}"
