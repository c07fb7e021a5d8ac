"""The section of findings, the same for pictures and for networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hubel.report.view import picture
from hubel.report.words import count, listing, percent
from hubel.results import Finding

MOST_NAMES: Final = 12
MOST_PICTURES: Final = 16
MOST_FINDINGS: Final = 100
SEVERITIES: Final = ("error", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """A finding with the pictures that it concerns."""

    finding: Finding
    confidence: str
    names: tuple[str, ...]
    more: int
    pictures: tuple[tuple[str, str], ...]
    """(name, address of the embedded PNG)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsView:
    """The findings of one stage, the gravest first."""

    tally: str
    shown: tuple[FindingView, ...]
    left_out: int
    file: str
    """Where all of them stand."""


def findings_view(
    findings: Sequence[Finding], file: str, thumbnails: Mapping[str, str] | None = None
) -> FindingsView:
    """Return at most 100 findings; `thumbnails` holds base64 PNGs by the names in `where`."""
    known = sorted(findings, key=lambda f: SEVERITIES.index(f.severity))
    return FindingsView(
        tally=tally(findings),
        shown=tuple(_finding(f, thumbnails or {}) for f in known[:MOST_FINDINGS]),
        left_out=max(0, len(known) - MOST_FINDINGS),
        file=file,
    )


def tally(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each severity; empty where there are none.

    >>> tally(())
    ''
    """
    amounts = [(s, sum(f.severity == s for f in findings)) for s in SEVERITIES]
    return listing([count(amount, severity) for severity, amount in amounts if amount])


def _finding(finding: Finding, thumbnails: Mapping[str, str]) -> FindingView:
    """Return a finding with at most 16 pictures and the names of 12 others."""
    shown = [
        (name, image) for name in finding.where if (image := picture(thumbnails.get(name, "")))
    ]
    shown = shown[:MOST_PICTURES]
    seen = {name for name, _ in shown}
    rest = [name for name in finding.where if name not in seen]
    return FindingView(
        finding=finding,
        confidence="certain"
        if finding.confidence >= 1
        else f"{percent(finding.confidence, 0)} sure",
        names=tuple(rest[:MOST_NAMES]),
        more=max(0, len(rest) - MOST_NAMES),
        pictures=tuple(shown),
    )
