"""An input that is too small for the network to run at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import by
from hubel.results import Finding


def _input_too_small(subject: Subject) -> Iterator[Hit]:
    least = subject.least_size
    if least is not None and subject.picture and min(subject.picture) < least:
        yield Hit(
            what=f"The input is smaller than the least that the network takes, {least} pixels a "
            "side.",
            where=(),
            evidence=f"input {by(subject.picture)}",
        )


RULE: Final = Rule(
    id="check/input-too-small",
    severity="error",
    meaning="The input is below the network's least size: a layer runs out of pixels.",
    remedy="Use a larger input, or leave out a reduction.",
    source="dumoulin2016guide",
    find=_input_too_small,
)
RULES: Final = (RULE,)


def refused(input_shape: tuple[int, ...], least: int, reason: str, where: str) -> Finding:
    """Return the finding for an input on which the network stops, in the words of the layer.

    `least` is the smallest side at which the network was seen to run.
    """
    return Finding(
        id=RULE.id,
        what=f"An input of {by(input_shape[1:])} is too small: the network stops at "
        f"{where or 'its own forward'}, and runs from {least} pixels a side on.",
        where=(where,) if where else (),
        evidence=reason,
        threshold=f"{least} pixels",
        severity=RULE.severity,
        confidence=1.0,
        remedy=f"Use an input of {least} pixels a side or more, or leave out a reduction.",
        source=RULE.source,
    )
