"""The page about a source of pictures: what is there, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hubel.report.data_view import data_view
from hubel.report.findings_view import tally
from hubel.report.rendering import render
from hubel.report.view import picture
from hubel.report.words import count, duration, number
from hubel.results import DuplicateGroup, Inspection

MOST_GROUPS: Final = 60
MOST_MEMBERS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One picture of a group of duplicates."""

    name: str
    image: str
    label: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """Pictures that show the same, side by side."""

    title: str
    remarks: tuple[str, ...]
    members: tuple[Member, ...]
    more: int


def render_inspection(inspection: Inspection, thumbnails: Mapping[str, str]) -> str:
    """Return the page about what `hubel data` found.

    `thumbnails` holds base64 PNGs by the keys of pictures, as far as there are any. At most 60
    groups of duplicates are shown, those that cross splits or labels first.
    """
    groups = sorted(inspection.duplicates, key=lambda group: -_weight(group))
    found = tally(inspection.findings)
    amount = count(inspection.pictures, "picture")
    verdict = (
        f"{_capital(found)} in {amount}." if found else f"Nothing wrong was found in {amount}."
    )
    return render(
        "inspection.html.j2",
        title=inspection.source,
        subject=inspection.source,
        verdict=verdict,
        basis=_basis(inspection),
        data=data_view(inspection, thumbnails),
        groups=tuple(_group(group, thumbnails) for group in groups[:MOST_GROUPS]),
        groups_left_out=max(0, len(groups) - MOST_GROUPS),
        digest=inspection.digest,
    )


def _basis(inspection: Inspection) -> str:
    """Return what was looked at, how much of it cannot be read, and how long it took."""
    kinds = {
        "classification": f" in {count(len(inspection.classes), 'class')}",
        "multilabel": f" with {count(len(inspection.classes), 'label')}",
        "regression": " with numbers to predict",
    }
    text = f"{inspection.source}: {count(inspection.pictures, 'picture')}"
    text += kinds.get(inspection.task, ", without classes")
    if inspection.undecodable:
        text += f"; {len(inspection.undecodable):,} more cannot be decoded"
    return f"{text}. Every picture was decoded and compared, in {duration(inspection.seconds)}."


def _capital(text: str) -> str:
    """Return `text` with a capital first letter."""
    return text[:1].upper() + text[1:]


def _weight(group: DuplicateGroup) -> int:
    """Return how much a group matters: split leaks, then contradicting labels, then the rest."""
    splits = {split for split in group.splits if split}
    return 2 * (len(splits) > 1) + (len(set(group.labels)) > 1)


def _group(group: DuplicateGroup, thumbnails: Mapping[str, str]) -> GroupView:
    """Return a group with at most 8 of its pictures."""
    remarks: list[str] = []
    if len({split for split in group.splits if split}) > 1:
        remarks.append("on both sides of a split")
    if len(set(group.labels)) > 1:
        remarks.append("with different labels")
    kind = "exact" if group.kind == "exact" else "near"
    title = f"{count(len(group.keys), 'picture')}, {kind} duplicates"
    if group.kind == "near":
        title += f", mean difference {number(group.difference)} of 255"
    members = zip(group.keys, group.labels, group.splits, strict=True)
    return GroupView(
        title=title,
        remarks=tuple(remarks),
        members=tuple(
            Member(name=key, image=picture(thumbnails.get(key, "")), label=label, split=split)
            for key, label, split in list(members)[:MOST_MEMBERS]
        ),
        more=max(0, len(group.keys) - MOST_MEMBERS),
    )
