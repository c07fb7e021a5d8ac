"""Weights that are frozen, on purpose or by mistake."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.fresh_weights import fresh_layers
from hubel.diagnosis.evidence.questions import head_of, holders, is_matrix, size, some, used_by
from hubel.diagnosis.evidence.setting import ParameterFact
from hubel.diagnosis.symptom import Reading, Sign, Unknown, Well


def find_frozen(case: Case) -> Reading:
    """Look for frozen weights that the task needs, or that nothing has trained."""
    used = used_by(case.setting)
    frozen = [one for one in used if not one.trainable]
    if not used:
        return Unknown(why="the network's parameters are not known")
    share = sum(map(size, frozen)) / max(sum(map(size, used)), 1)
    measured = {"share": share}
    if not frozen:
        return Well(evidence=f"all {len(used)} parameters are trained", measured=measured)
    whole = len(frozen) == len(used)
    head = any(one in frozen and is_matrix(one) for one in head_of(used))
    fresh = _fresh(case, frozen)
    # To freeze a trained body is common, and then a training may well stay a little behind.
    behind = case.harm.suffers if head else case.harm.clearly
    suffers = whole or behind or bool(fresh)
    layers = holders(frozen)
    if not suffers and not head:
        return Well(
            evidence=f"{share:.0%} of the weights are frozen, the last layer learns",
            measured=measured,
        )
    return Sign(
        what=_what(whole, head, share, holders(fresh)),
        evidence=f"requires_grad is False for {len(frozen)} of {len(used)} parameters, {share:.0%} "
        "of the numbers" + ("" if whole else f"; {case.harm.evidence}"),
        where=layers,
        confidence=1.0 if whole else 0.9 if fresh else 0.7 if head else 0.5,
        confirmed=suffers,
        measured=measured,
        remedy=f"Set requires_grad = True for the parameters of {some(layers)} before the "
        "optimizer is built" + (", or load trained weights into them." if fresh else "."),
    )


def _what(whole: bool, head: bool, share: float, fresh: Sequence[str]) -> str:
    if whole:
        return "No weight is trained: requires_grad is False everywhere."
    if fresh:
        return (
            f"{some(fresh)}: frozen with the random numbers of the initialisation, which no "
            "training has changed."
        )
    part = "The last layer is" if head else f"{share:.0%} of the weights are"
    return f"{part} frozen, and the rest does not learn the task without it."


def _fresh(case: Case, frozen: Sequence[ParameterFact]) -> tuple[ParameterFact, ...]:
    """Return the frozen weight matrices that hold random numbers, where most of them do."""
    matrices = [one for one in frozen if is_matrix(one)]
    if case.subject is None or not matrices:
        return ()
    names = fresh_layers(case.subject.network(), tuple(one.name for one in matrices))
    fresh = tuple(one for one in matrices if one.name in names)
    return fresh if 2 * len(fresh) > len(matrices) else ()
