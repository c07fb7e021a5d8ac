"""What `hubel data` finds in a source of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubel.results.finding import Finding

Task = Literal["classification", "multilabel", "regression", "unlabelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How many pictures of one class (or label) each split holds."""

    name: str
    total: int
    train: int
    val: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Least, median and greatest of a measure of the pictures."""

    least: float
    median: float
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Pictures that show the same: byte for byte once decoded, or nearly."""

    kind: Literal["exact", "near"]
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    difference: float
    """Greatest mean absolute pixel difference inside the group, in 0 to 255; 0 where exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in a source, and what is wrong with it; `data.json` of a run."""

    source: str
    task: Task
    pictures: int
    """Pictures that can be decoded."""
    undecodable: tuple[str, ...]
    """`key: reason` for each that cannot."""
    classes: tuple[ClassCount, ...]
    widths: Summary
    heights: Summary
    short_sides: Summary
    channels: dict[str, int]
    """Pictures by number of channels as stored."""
    bit_depths: dict[str, int]
    formats: dict[str, int]
    grey: bool
    """True where every picture is grey in fact (equal channels count as grey)."""
    splits: dict[str, int]
    """Pictures by split: train, val, test."""
    splits_made_by: Literal["user", "hubel", "both", "none"]
    duplicates: tuple[DuplicateGroup, ...]
    findings: tuple[Finding, ...]
    seconds: float
    digest: str
    """SHA-256 over keys, labels, splits and decoded pixels."""
