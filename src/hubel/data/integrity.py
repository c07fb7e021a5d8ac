"""Inspect a source: scan it, look for duplicates, split it, and say what is there and wrong."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.data.dataset import Dataset
from hubel.data.duplicates import Duplicates, Group, find_duplicates
from hubel.data.evidence import Evidence
from hubel.data.files import FileSource
from hubel.data.findings import find_all
from hubel.data.labels import class_counts, label_text
from hubel.data.naming import count
from hubel.data.scanning import Scan, scan
from hubel.data.source import SPLITS, TRAIN, Index, Source
from hubel.data.splits import Splits, make_splits
from hubel.errors import SourceError
from hubel.results import ClassCount, DuplicateGroup, Inspection, Summary


def inspect_source(
    source: Source,
    *,
    seed: int,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Decode every picture of `source` once, find what is wrong, and make the splits by `seed`.

    Errors: SourceError where no picture can be decoded.
    """
    started = time.perf_counter()
    index = source.index
    scanned = scan(source, threads=threads, progress=progress)
    if not len(scanned.usable):
        first = min(scanned.reasons)
        raise SourceError(
            f"None of the {count(len(index), 'picture')} of {source.name} can be decoded; "
            f"the first, {index.keys[first]}: {scanned.reasons[first]}."
        )
    duplicates = find_duplicates(source, scanned, threads=threads)
    splits = make_splits(
        index, scanned.usable, duplicates.component, shares=source.split_shares, seed=seed
    )
    evidence = Evidence(source, scanned, duplicates, splits.splits)
    inspection = _inspection(evidence, splits, started)
    digests = np.ascontiguousarray(scanned.records["digest"])
    if isinstance(source, FileSource):
        source.remember(digests)
    return Dataset(source, splits.splits, inspection, digests)


def _inspection(evidence: Evidence, splits: Splits, started: float) -> Inspection:
    source, scanned = evidence.source, evidence.scanned
    index, usable = source.index, scanned.usable
    records = scanned.records[usable]
    width, height = records["width"], records["height"]
    names = np.array(scanned.format_names)[scanned.formats[usable]]
    return Inspection(
        source=source.name,
        task=index.task,
        pictures=len(usable),
        undecodable=tuple(
            f"{index.keys[position]}: {reason}" for position, reason in scanned.reasons.items()
        ),
        classes=_class_counts(index, usable, splits.splits),
        widths=_summary(width),
        heights=_summary(height),
        short_sides=_summary(np.minimum(width, height)),
        channels=_tally(records["stored_channels"]),
        bit_depths=_tally(records["bit_depth"]),
        formats=_tally(names),
        grey=bool(records["grey"].all()),
        splits={
            name: int((splits.splits == split).sum())
            for split, name in enumerate(SPLITS)
            if splits.made_by != "none"
        },
        splits_made_by=splits.made_by,
        duplicates=_duplicates(evidence),
        findings=find_all(evidence),
        seconds=time.perf_counter() - started,
        digest=_digest(index, scanned),
    )


def _class_counts(
    index: Index, usable: NDArray[np.int64], splits: NDArray[np.int8]
) -> tuple[ClassCount, ...]:
    total = class_counts(index, usable)
    parts = [class_counts(index, np.flatnonzero(splits == split)) for split in range(len(SPLITS))]
    rows = zip(index.classes, total.tolist(), *(part.tolist() for part in parts), strict=True)
    return tuple(
        ClassCount(name=name, total=whole, train=train, val=val, test=test)
        for name, whole, train, val, test in rows
    )


def _summary(values: NDArray[Any]) -> Summary:
    return Summary(
        least=float(values.min()), median=float(np.median(values)), greatest=float(values.max())
    )


def _tally(values: NDArray[Any]) -> dict[str, int]:
    found, counts = np.unique(values, return_counts=True)
    return {
        str(value): number for value, number in zip(found.tolist(), counts.tolist(), strict=True)
    }


def _duplicates(evidence: Evidence) -> tuple[DuplicateGroup, ...]:
    found: Duplicates = evidence.duplicates
    exact = [_group(evidence, group) for group in found.exact]
    near = [_group(evidence, group, near=True) for group in found.near]
    return (*exact, *near)


def _group(evidence: Evidence, group: Group, *, near: bool = False) -> DuplicateGroup:
    index, splits = evidence.source.index, evidence.splits
    positions = [int(position) for position in group.positions]
    return DuplicateGroup(
        kind="near" if near else "exact",
        keys=tuple(index.keys[position] for position in positions),
        labels=tuple(label_text(index, position) for position in positions),
        splits=tuple(
            SPLITS[splits[position]] if splits[position] >= TRAIN else "" for position in positions
        ),
        difference=group.difference,
    )


def _digest(index: Index, scanned: Scan) -> str:
    """SHA-256 over classes, keys, labels, the source's own splits, and the pictures' digests."""
    digest = hashlib.sha256()
    for names in (index.classes, index.keys):
        for name in names:
            digest.update(name.encode() + b"\0")
        digest.update(b"\1")
    kind = "<f4" if index.task == "regression" else "<i8"
    digest.update(np.ascontiguousarray(index.labels, dtype=kind).tobytes())
    digest.update(index.splits.astype(np.int8).tobytes())
    digest.update(np.ascontiguousarray(scanned.records["digest"]).tobytes())
    return digest.hexdigest()
