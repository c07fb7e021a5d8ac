"""The sections about the data: what is there, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from hubel.report.charts import stacked_bar
from hubel.report.findings_view import FindingsView, findings_view
from hubel.report.view import Fact
from hubel.report.words import listing, number, percent
from hubel.results import ClassCount, Inspection, Summary

MOST_CLASSES: Final = 60
MOST_UNDECODABLE: Final = 200
STRATA: Final = {
    "classification": "stratified by class",
    "multilabel": "stratified by label",
    "regression": "stratified by the size of the target",
}
SPLITS_BY: Final = {
    "user": "The splits came with the source.",
    "hubel": "The splits were made by hubel, {by}, by seed.",
    "both": "Some splits came with the source; hubel made the rest, {by}, by seed.",
    "none": "There are no splits.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """How many pictures of a class each split holds, with its bar."""

    name: str
    bar: Markup
    train: int
    val: int
    test: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataView:
    """Everything about a source of pictures."""

    source: str
    facts: tuple[Fact, ...]
    sentences: tuple[str, ...]
    noun: str
    classes: tuple[ClassRow, ...]
    classes_left_out: str
    findings: FindingsView
    undecodable: tuple[str, ...]
    undecodable_left_out: int


def data_view(inspection: Inspection, thumbnails: Mapping[str, str]) -> DataView:
    """Return the sections; `thumbnails` holds base64 PNGs by key, as far as there are any."""
    classes, left_out = _classes(inspection)
    noun = "label" if inspection.task == "multilabel" else "class"
    return DataView(
        source=inspection.source,
        facts=tuple(_facts(inspection)),
        sentences=tuple(_sentences(inspection)),
        noun=noun,
        classes=classes,
        classes_left_out=left_out,
        findings=findings_view(inspection.findings, "data.json", thumbnails),
        undecodable=inspection.undecodable[:MOST_UNDECODABLE],
        undecodable_left_out=max(0, len(inspection.undecodable) - MOST_UNDECODABLE),
    )


def span(summary: Summary) -> str:
    """Return a measure's range in words."""
    if summary.least == summary.greatest:
        return number(summary.least, 6)
    return f"{number(summary.least, 6)}–{number(summary.greatest, 6)}"


def _facts(inspection: Inspection) -> list[Fact]:
    """Return what is in the source, as numbers."""
    grey = "all are grey in fact" if inspection.grey else ""
    middle = number(inspection.short_sides.median, 6)
    unread = len(inspection.undecodable)
    return [
        Fact(
            name="Pictures",
            value=f"{inspection.pictures:,}",
            remark=f"{unread:,} more cannot be decoded" if unread else "all can be decoded",
        ),
        Fact(
            name="Width, pixels", value=span(inspection.widths), remark=_median(inspection.widths)
        ),
        Fact(
            name="Height, pixels",
            value=span(inspection.heights),
            remark=_median(inspection.heights),
        ),
        Fact(name="Short side, median", value=middle),
        Fact(name="Channels", value=_kinds(inspection.channels), remark=grey),
        Fact(name="Bits a value", value=_kinds(inspection.bit_depths)),
        Fact(name="Formats", value=_kinds(inspection.formats)),
    ]


def _median(summary: Summary) -> str:
    """Return the median where it says more than the range."""
    return "" if summary.least == summary.greatest else f"median {number(summary.median, 6)}"


def _kinds(kinds: Mapping[str, int]) -> str:
    """Return kinds of pictures, the most frequent first, with their share where there are several.

    >>> _kinds({"PNG": 1, "JPEG": 3})
    'JPEG (75.0%), PNG (25.0%)'
    """
    total = sum(kinds.values())
    ordered = sorted(kinds.items(), key=lambda kind: -kind[1])
    if len(ordered) == 1:
        return ordered[0][0]
    shown = [f"{name} ({percent(amount / total)})" for name, amount in ordered[:5]]
    return ", ".join([*shown, "…"] if len(ordered) > 5 else shown) or "–"


def _sentences(inspection: Inspection) -> list[str]:
    """Return who made the splits, and how even the classes are."""
    uses = {"train": "training", "val": "validation", "test": "the test"}
    amounts = listing([f"{n:,} for {uses.get(s, s)}" for s, n in inspection.splits.items() if n])
    made = SPLITS_BY[inspection.splits_made_by].format(by=STRATA.get(inspection.task, "at random"))
    text = [made + (f" Pictures: {amounts}." if amounts else "")]
    totals = [row for row in inspection.classes if row.total]
    if inspection.task in {"classification", "multilabel"} and len(totals) > 1:
        most = max(totals, key=lambda row: row.total)
        least = min(totals, key=lambda row: row.total)
        ratio = most.total / least.total
        text.append(
            f"The largest, {most.name}, has {number(ratio, 2 if ratio < 10 else 3)} times the "
            f"pictures of the smallest, {least.name}."
            if ratio >= 1.5
            else f"All {'labels' if inspection.task == 'multilabel' else 'classes'} are about "
            "equally frequent."
        )
    return text


def _classes(inspection: Inspection) -> tuple[tuple[ClassRow, ...], str]:
    """Return a row a class; the 30 largest and the 30 smallest where there are over 60."""
    if inspection.task not in {"classification", "multilabel"}:
        return (), ""
    rows = list(inspection.classes)
    left_out = ""
    if len(rows) > MOST_CLASSES:
        half = MOST_CLASSES // 2
        ordered = sorted(rows, key=lambda row: -row.total)
        left_out = (
            f"The {half} largest and the {half} smallest of {len(rows):,}; the others stand in "
            "data.json."
        )
        rows = [*ordered[:half], *ordered[-half:]]
    longest = max((row.total for row in rows), default=0)
    return tuple(_class_row(row, longest) for row in rows), left_out


def _class_row(row: ClassCount, longest: int) -> ClassRow:
    """Return one class with its bar; pictures without a split come last in it."""
    rest = row.total - row.train - row.val - row.test
    parts = [("in-train", row.train), ("in-val", row.val), ("in-test", row.test), ("in-none", rest)]
    return ClassRow(
        name=row.name,
        bar=stacked_bar(parts, longest),
        train=row.train,
        val=row.val,
        test=row.test,
        total=row.total,
    )
