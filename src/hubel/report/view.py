"""What every section of a page may hold: gaps with the command that fills them, tables, figures."""

from __future__ import annotations

import base64
import binascii
import math
import shlex
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from hubel.report.words import interval, is_share, measures, number, percent
from hubel.results import Metric

TINY: Final = 32
PNG: Final = b"\x89PNG\r\n\x1a\n"
HEADER: Final = 33
"""Bytes of a PNG up to the end of its first chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something the page cannot show, why, and the command that makes it."""

    what: str
    command: str = ""
    grave: bool = False
    """Whether the numbers of the page cannot be taken at their word because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart with its title and one or two sentences about it."""

    chart: Markup
    title: str
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A number with its name and a remark."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a table: what is shown, what is sorted by, the share its bar fills (0 to 1)."""

    text: str
    key: str | float = ""
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose columns sort; the first is the row's name."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sorted_by: int = -1
    words: int = 0
    """Columns after the first that hold words, not numbers."""
    """Column by which the rows stand in rising order; −1 where by none."""
    left_out: str = ""


def sort_key(value: float) -> float | str:
    """Return what a number is sorted by: itself, or an empty text where it is not finite."""
    return value if math.isfinite(value) else ""


def command(*words: str | Path) -> str:
    """Return a command line that a shell takes as it stands."""
    return shlex.join(str(word) for word in words)


def picture(thumbnail: str) -> str:
    """Return a thumbnail (base64) as the address of an embedded PNG; empty unless it is one."""
    try:
        data = base64.b64decode(thumbnail, validate=True)
    except (binascii.Error, ValueError):
        return ""
    whole = data.startswith(PNG) and len(data) >= HEADER
    return f"data:image/png;base64,{thumbnail}" if whole else ""


def is_tiny(value: str) -> bool:
    """Return whether an embedded PNG has no more than 32 pixels a side, so that its pixels show.

    Width and height are the eight bytes from the sixteenth on.
    """
    header = base64.b64decode(value.partition(",")[2][:32])
    return max(struct.unpack(">II", header[16:24])) <= TINY


def metric_facts(metrics: dict[str, Metric], leave_out: Iterable[str] = ()) -> tuple[Fact, ...]:
    """Return metrics with their intervals as facts."""
    hidden = set(leave_out)
    return tuple(
        Fact(
            name=measures(name),
            value=(percent if is_share(name) else number)(metric.value),
            remark=interval(metric, share=is_share(name)),
        )
        for name, metric in metrics.items()
        if name not in hidden
    )
