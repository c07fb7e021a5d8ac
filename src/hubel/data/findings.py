"""What is wrong with a source of pictures: one function a rule, each with its threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.data.duplicate_findings import duplicate_findings
from hubel.data.duplicates import NEAR_CONSTANT
from hubel.data.evidence import Evidence, finding, named
from hubel.data.labels import class_counts
from hubel.data.naming import count, some
from hubel.data.source import SPLITS, TEST, TRAIN, VAL
from hubel.data.stratification import LEAST_UNITS
from hubel.results import Finding

IMBALANCE: Final = 10.0
EXTREME_SHAPE: Final = 10.0


def find_all(evidence: Evidence) -> tuple[Finding, ...]:
    """Return what every rule finds: errors first, then warnings, then notes."""
    found = list(evidence.source.findings)
    for rule in _RULES:
        found.extend(rule(evidence))
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda item: order[item.severity]))


def _undecodable(evidence: Evidence) -> Iterator[Finding]:
    reasons = evidence.scanned.reasons
    if reasons:
        keys = evidence.source.index.keys
        yield finding(
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
        yield finding(
            "data/one-class",
            "error",
            f"There is only one class with pictures: {some(named(index.classes, counts > 0))}.",
            where=named(index.classes, counts > 0),
            evidence=f"{np.count_nonzero(counts)} class",
            threshold="2 classes",
            remedy=_one_class_remedy(evidence),
        )
    tiny = counts < LEAST_UNITS
    if tiny.any():
        sizes = [f"{index.classes[place]}: {counts[place]}" for place in np.flatnonzero(tiny)]
        yield finding(
            "data/tiny-class",
            "warning",
            f"{count(int(tiny.sum()), 'class has', 'classes have')} fewer than {LEAST_UNITS} "
            "pictures: they cannot be in train, val and test; where hubel splits, they go to "
            "train and are not tested.",
            where=named(index.classes, tiny),
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
        yield finding(
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
        yield finding(
            "data/no-train",
            "error",
            "There are no pictures to train on: no split is called train.",
            evidence=f"pictures a split: {np.bincount(splits + 1, minlength=4)[1:].tolist()}",
            remedy="Put pictures into train.",
        )
    for split, use in ((VAL, "choose and calibrate"), (TEST, "test")):
        if not (splits == split).any():
            yield finding(
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
        yield finding(
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
        yield finding(
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
            yield finding(
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
        yield finding(
            "data/extreme-shape",
            "warning",
            f"{count(len(extreme), 'picture is', 'pictures are')} over {EXTREME_SHAPE:g} times as "
            "long as wide, or as wide as long: little of them is left in a square.",
            where=evidence.keys(extreme),
            evidence=f"up to {ratios.max():.0f} : 1",
            threshold=f"{EXTREME_SHAPE:g} : 1",
            remedy="Cut them into several pictures, or remove them.",
        )


_RULES: Final = (_undecodable, duplicate_findings, _classes, _splits, _constant, _shapes)
