"""The verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.diagnosis.case import Case
from hubel.results import Finding, Unchecked


def verdict(
    case: Case,
    causes: Sequence[Finding],
    observations: Sequence[Finding],
    unchecked: Sequence[Unchecked],
) -> str:
    """Return one or two sentences: what is wrong at the root, or that nothing was found."""
    del case, observations
    if causes:
        others = len(causes) - 1
        more = f" {others} more finding{'s' * (others > 1)}." if others else ""
        return causes[0].what + more
    left = f" {len(unchecked)} checks could not be made." if unchecked else ""
    return "Nothing was found to be wrong." + left
