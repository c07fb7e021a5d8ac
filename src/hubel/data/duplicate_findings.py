"""Rules about duplicates: as such, with different labels, and across the user's splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hubel.data.duplicates import Group
from hubel.data.evidence import WHERE_LIMIT, Evidence, finding
from hubel.data.labels import label_text, same_label
from hubel.data.naming import count, some
from hubel.results import Finding, Severity


def duplicate_findings(evidence: Evidence) -> Iterator[Finding]:
    """Duplicates as such, with different labels, and across the user's splits."""
    found = evidence.duplicates
    yield from _repeated(evidence, found.exact, "exact")
    yield from _repeated(evidence, found.near, "near")
    yield from _conflicts(evidence, found.exact, "exact")
    yield from _conflicts(evidence, found.near, "near")
    exact = _across(evidence, found.exact)
    yield from _leak(evidence, exact, "data/leak", "error", 1.0)
    certain = _across(evidence, found.certain)
    sure = {int(position) for group in certain for position in group.positions}
    others = [group for group in _across(evidence, found.near) if sure.isdisjoint(group.positions)]
    yield from _leak(evidence, certain, "data/near-leak", "error", 0.95)
    yield from _leak(evidence, others, "data/near-leak", "warning", 0.8)
    if not found.complete:
        yield finding(
            "data/near-duplicates-incomplete",
            "note",
            "So many pictures look alike that not all pairs of them were compared: there may be "
            "more near duplicates than are listed.",
            evidence="the bound on compared pairs was reached",
            remedy="Remove the duplicates that are listed, and inspect again.",
        )


def _repeated(evidence: Evidence, groups: tuple[Group, ...], kind: str) -> Iterator[Finding]:
    if not groups:
        return
    extra = sum(len(group.positions) - 1 for group in groups)
    worst = max(group.difference for group in groups)
    yield finding(
        f"data/{kind}-duplicate",
        "warning",
        f"{count(extra, 'picture is', 'pictures are')} {'a' if kind == 'near' else 'an'} {kind} "
        f"duplicate of another, in {count(len(groups), 'group')}.",
        where=[key for group in groups[:WHERE_LIMIT] for key in evidence.keys(group.positions)],
        evidence="the decoded pixels are equal"
        if kind == "exact"
        else f"mean absolute difference of pixels up to {worst:.1f} of 255",
        threshold="0"
        if kind == "exact"
        else "64-bit perceptual hash within 7 bits, then "
        "correlation 0.99 (0.9975 where a side is below 64 pixels)",
        remedy="Keep one of each group; where hubel splits, a group stays on one side.",
        confidence=1.0 if kind == "exact" else 0.9,
        source="hubel" if kind == "exact" else "zauner2010",
    )


def _conflicts(evidence: Evidence, groups: tuple[Group, ...], kind: str) -> Iterator[Finding]:
    index = evidence.source.index
    torn = [group for group in groups if not same_label(index, group.positions)]
    if not torn:
        return
    examples = [
        " and ".join(
            f"{index.keys[place]} ({label_text(index, place) or 'no label'})"
            for place in group.positions[:3].tolist()
        )
        for group in torn[:3]
    ]
    yield finding(
        "data/label-conflict",
        "error" if kind == "exact" else "warning",
        f"{count(len(torn), 'group')} of {kind} duplicates with different labels.",
        where=[key for group in torn[:WHERE_LIMIT] for key in evidence.keys(group.positions)],
        evidence="; ".join(examples),
        threshold="one label a picture",
        remedy="Look at each group and correct the labels.",
        confidence=1.0 if kind == "exact" else 0.8,
    )


def _across(evidence: Evidence, groups: tuple[Group, ...]) -> list[Group]:
    """Return the groups that stand on several sides of the splits that the user made."""
    users = evidence.source.index.splits
    torn: list[Group] = []
    for group in groups:
        mine = users[group.positions]
        if len(np.unique(mine[mine >= 0])) > 1:
            torn.append(group)
    return torn


def _leak(
    evidence: Evidence,
    groups: Sequence[Group],
    identity: str,
    severity: Severity,
    confidence: float,
) -> Iterator[Finding]:
    if not groups:
        return
    keys = [key for group in groups for key in evidence.keys(group.positions)]
    kind = {"data/leak": "the same picture"}.get(
        identity, "a copy of a picture" if severity == "error" else "a picture much alike"
    )
    yield finding(
        identity,
        severity,
        f"{count(len(groups), 'time')}, {kind} stands on both sides of your splits.",
        where=keys,
        evidence=some([" = ".join(evidence.keys(group.positions[:3])) for group in groups], 3),
        threshold="0",
        remedy="Keep each of them on one side: a test on pictures that were trained on is too "
        "good to be true.",
        confidence=confidence,
        limit=None,
    )
