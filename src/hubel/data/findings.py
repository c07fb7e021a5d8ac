"""What is wrong with a source of pictures: one function a rule, each with its threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.data.duplicates import NEAR_CONSTANT, Duplicates, Group
from hubel.data.labels import class_counts, label_text, same_label
from hubel.data.naming import count, some
from hubel.data.scanning import Scan
from hubel.data.source import SPLITS, TEST, TRAIN, VAL, Source
from hubel.data.stratification import LEAST_UNITS
from hubel.results import Finding, Severity

WHERE_LIMIT: Final = 100
"""Pictures that a finding names at most; `what` says how many there are."""
IMBALANCE: Final = 10.0
EXTREME_SHAPE: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that the rules look at."""

    source: Source
    scanned: Scan
    duplicates: Duplicates
    splits: NDArray[np.int8]
    """The final ones."""

    def keys(self, positions: NDArray[np.int64]) -> list[str]:
        """Return the names of the pictures at `positions`."""
        keys = self.source.index.keys
        return [keys[int(position)] for position in positions]


def _named(names: tuple[str, ...], chosen: NDArray[np.bool_]) -> list[str]:
    return [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]


def find_all(evidence: Evidence) -> tuple[Finding, ...]:
    """Return what every rule finds: errors first, then warnings, then notes."""
    found = list(evidence.source.findings)
    for rule in _RULES:
        found.extend(rule(evidence))
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _finding(
    identity: str,
    severity: Severity,
    what: str,
    *,
    where: Sequence[str] = (),
    evidence: str,
    threshold: str = "",
    remedy: str,
    confidence: float = 1.0,
    source: str = "hubel",
    limit: int | None = WHERE_LIMIT,
) -> Finding:
    return Finding(
        id=identity,
        what=what,
        where=tuple(where[:limit]),
        evidence=evidence,
        threshold=threshold,
        severity=severity,
        confidence=confidence,
        remedy=remedy,
        source=source,
    )


def _undecodable(evidence: Evidence) -> Iterator[Finding]:
    reasons = evidence.scanned.reasons
    if reasons:
        keys = evidence.source.index.keys
        yield _finding(
            "data/undecodable",
            "warning",
            f"{count(len(reasons), 'picture')} cannot be decoded and "
            f"{'is' if len(reasons) == 1 else 'are'} not used.",
            where=[keys[position] for position in reasons],
            evidence=some([f"{keys[place]}: {why}" for place, why in reasons.items()], 3),
            threshold="0",
            remedy="Replace or remove these files.",
        )


def _classes(evidence: Evidence) -> Iterator[Finding]:
    """Too few classes, too few pictures of a class, and imbalance."""
    index = evidence.source.index
    if index.task not in {"classification", "multilabel"}:
        return
    counts = class_counts(index, evidence.scanned.usable)
    if index.task == "classification" and np.count_nonzero(counts) < 2:
        yield _finding(
            "data/one-class",
            "error",
            f"There is only one class with pictures: {some(_named(index.classes, counts > 0))}.",
            where=_named(index.classes, counts > 0),
            evidence=f"{np.count_nonzero(counts)} class",
            threshold="2 classes",
            remedy=_one_class_remedy(evidence),
        )
    tiny = counts < LEAST_UNITS
    if tiny.any():
        sizes = [f"{index.classes[place]}: {counts[place]}" for place in np.flatnonzero(tiny)]
        yield _finding(
            "data/tiny-class",
            "warning",
            f"{count(int(tiny.sum()), 'class has', 'classes have')} fewer than {LEAST_UNITS} "
            "pictures: they cannot be in train, val and test; where hubel splits, they go to "
            "train and are not tested.",
            where=_named(index.classes, tiny),
            evidence=some(sizes, 10),
            threshold=f"{LEAST_UNITS} pictures",
            remedy="Add pictures of these classes, or leave the classes out.",
        )
    yield from _imbalance(index.classes, counts)


def _one_class_remedy(evidence: Evidence) -> str:
    """Offer the folder inside where the classes lie one folder deeper."""
    parts = [key.split("/") for key in evidence.keys(evidence.scanned.usable)]
    inner = {part[1] for part in parts if len(part) > 2}
    tops = {part[0] for part in parts}
    if len(inner) > 1 and len(tops) == 1:
        name = f"{evidence.source.name.rstrip('/')}/{tops.pop()}"
        return f"Did you mean {name}, which holds the folders {some(sorted(inner))}?"
    return "Add pictures of another class: there is nothing to tell apart."


def _imbalance(classes: tuple[str, ...], counts: NDArray[np.int64]) -> Iterator[Finding]:
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return
    least, most = present[counts[present].argmin()], present[counts[present].argmax()]
    ratio = counts[most] / counts[least]
    if ratio >= IMBALANCE:
        yield _finding(
            "data/imbalance",
            "warning",
            f"The largest class, {classes[most]}, has {ratio:.0f} times as many pictures as the "
            f"smallest, {classes[least]}.",
            where=(classes[most], classes[least]),
            evidence=f"{counts[most]:,} and {counts[least]:,} pictures",
            threshold=f"ratio {IMBALANCE:g}",
            remedy="Add pictures of the small classes, or train with --balance weights or "
            "--balance sampling; read the recall of each class, not only the accuracy.",
        )


def _splits(evidence: Evidence) -> Iterator[Finding]:
    """Splits without pictures, classes absent from a split, groups on two sides."""
    index, splits = evidence.source.index, evidence.splits
    if index.task == "unlabelled":
        return
    if not (splits == TRAIN).any():
        yield _finding(
            "data/no-train",
            "error",
            "There are no pictures to train on: no split is called train.",
            evidence=f"pictures a split: {np.bincount(splits + 1, minlength=4)[1:].tolist()}",
            remedy="Put pictures into train.",
        )
    for split, use in ((VAL, "choose and calibrate"), (TEST, "test")):
        if not (splits == split).any():
            yield _finding(
                f"data/no-{SPLITS[split]}",
                "note",
                f"There is no {SPLITS[split]} split: nothing to {use} the network on.",
                evidence="0 pictures",
                remedy=f"Put pictures into {SPLITS[split]}, or give no splits: hubel makes them.",
            )
    yield from _absent(evidence)
    yield from _groups(evidence)


def _absent(evidence: Evidence) -> Iterator[Finding]:
    index = evidence.source.index
    if index.task not in {"classification", "multilabel"}:
        return
    used = [split for split in range(3) if (evidence.splits == split).any()]
    lacking: dict[str, list[str]] = {}
    for split in used:
        counts = class_counts(index, np.flatnonzero(evidence.splits == split))
        for place in np.flatnonzero(counts == 0).tolist():
            lacking.setdefault(index.classes[place], []).append(SPLITS[split])
    if lacking:
        yield _finding(
            "data/class-absent-from-split",
            "warning",
            f"{count(len(lacking), 'class is', 'classes are')} absent from a split.",
            where=list(lacking),
            evidence=some([f"{name} from {', '.join(where)}" for name, where in lacking.items()]),
            threshold="every class in every split",
            remedy="A class absent from train cannot be learned, one absent from test is not "
            "tested: add pictures, or correct the names of the folders.",
        )


def _groups(evidence: Evidence) -> Iterator[Finding]:
    index = evidence.source.index
    if index.groups is None:
        return
    placed = np.flatnonzero(index.splits >= 0)
    pairs = np.unique(np.stack([index.groups[placed], index.splits[placed]], axis=1), axis=0)
    torn = np.flatnonzero(np.bincount(pairs[:, 0]) > 1) if len(pairs) else placed[:0]
    if len(torn):
        keys = evidence.keys(placed[np.isin(index.groups[placed], torn)])
        yield _finding(
            "data/group-across-splits",
            "warning",
            f"{count(len(torn), 'group stands', 'groups stand')} on both sides of your splits.",
            where=keys,
            evidence=f"{len(keys):,} pictures",
            threshold="one split a group",
            remedy="Give all pictures of a group the same split, or leave the splits to hubel.",
        )


def _constant(evidence: Evidence) -> Iterator[Finding]:
    records = evidence.scanned.records
    constant = records["decodable"] & (records["least"] == records["greatest"])
    near = records["decodable"] & ~constant & (records["deviation"] < NEAR_CONSTANT)
    for chosen, identity, words in (
        (constant, "data/constant-picture", "of one single colour"),
        (near, "data/near-constant-picture", "of nearly one single grey value"),
    ):
        positions = np.flatnonzero(chosen)
        if len(positions):
            yield _finding(
                identity,
                "warning",
                f"{count(len(positions), 'picture is', 'pictures are')} {words}.",
                where=evidence.keys(positions),
                evidence=f"standard deviation of the grey values at most "
                f"{records['deviation'][positions].max():.2g}",
                threshold="0" if chosen is constant else f"{NEAR_CONSTANT:g}",
                remedy="Look at them: there may be nothing on them. Remove those.",
            )


def _shapes(evidence: Evidence) -> Iterator[Finding]:
    records, usable = evidence.scanned.records, evidence.scanned.usable
    width, height = records["width"][usable], records["height"][usable]
    ratios = np.maximum(width, height) / np.minimum(width, height)
    extreme = usable[ratios > EXTREME_SHAPE]
    if len(extreme):
        yield _finding(
            "data/extreme-shape",
            "warning",
            f"{count(len(extreme), 'picture is', 'pictures are')} over {EXTREME_SHAPE:g} times as "
            "long as wide, or as wide as long: little of them is left in a square.",
            where=evidence.keys(extreme),
            evidence=f"up to {ratios.max():.0f} : 1",
            threshold=f"{EXTREME_SHAPE:g} : 1",
            remedy="Cut them into several pictures, or remove them.",
        )


def _duplicates(evidence: Evidence) -> Iterator[Finding]:
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
        yield _finding(
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
    yield _finding(
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
    yield _finding(
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
    yield _finding(
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


_RULES: Final = (_undecodable, _duplicates, _classes, _splits, _constant, _shapes)
