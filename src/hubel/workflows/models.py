"""The networks that hubel has; the public function `models`."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hubel.architectures import ARCHITECTURES, Architecture
from hubel.errors import UsageError, look_up
from hubel.results import Check, NetworkEntry, NetworkPage, PaperTable
from hubel.workflows.check import check
from hubel.workflows.check_page import write_drawing

OURS: Final = frozenset({"KNOWN", "NETWORKS", "VARIANTS"})
"""Constants of a page that are no table of its paper."""


def models() -> tuple[NetworkEntry, ...]:
    """Return what is known of every network, by year, without building any."""
    return tuple(sorted((_entry(a) for a in ARCHITECTURES.values()), key=lambda e: e.year))


def network_page(name: str) -> NetworkPage:
    """Return one network with the tables of its paper, as they stand in its page of the code.

    Errors: UsageError for a name that hubel does not have, with close matches.
    """
    if name not in ARCHITECTURES and (":" in name or Path(name).exists()):
        raise UsageError(
            f"models shows hubel's own networks, which {name} is not: hubel check {name} reads it."
        )
    architecture = look_up(ARCHITECTURES, name, "network")
    page = sys.modules[architecture.builder.__module__]
    tables = tuple(_tables(vars(page), architecture))
    return NetworkPage(
        entry=_entry(architecture),
        text=inspect.getdoc(page) or "",
        tables=tables,
        listing="" if tables else _listing(inspect.getsource(page)),
    )


def read(name: str) -> Check:
    """Return the network of a name, read at its design."""
    return check(name)


def draw(name: str, path: Path) -> None:
    """Write the drawing of a network to an SVG file. Errors: UsageError, RunError."""
    write_drawing(read(name), path)


def _entry(architecture: Architecture) -> NetworkEntry:
    """Return what the table of networks holds."""
    return NetworkEntry(
        name=architecture.name,
        year=architecture.year,
        source=architecture.source,
        summary=architecture.summary,
        params=architecture.params,
        macs=architecture.macs,
        input=(architecture.design_channels, architecture.design_size, architecture.design_size),
        outputs=architecture.design_outputs,
        least_size=architecture.least_size,
        arguments=architecture.arguments(),
        errors=architecture.errors,
        weights=tuple(weights.origin for weights in architecture.weights),
    )


def _tables(names: Mapping[str, Any], architecture: Architecture) -> Iterator[PaperTable]:
    """Yield the literal tables of a page: constants whose rows are named tuples.

    Where a table has a part a network (a mapping from depth, say), only the part that the name's
    own arguments choose is shown, and nothing of tables made of other networks' parts.
    """
    chosen = _parts_of(architecture)
    others = set[str]().union(*map(_parts_of, names["NETWORKS"])) - chosen
    for name, value in names.items():
        if not name.isupper() or name in OURS:
            continue
        title = re.sub(r"(?<=\d)_(?=\d)", ".", name).replace("_", " ").capitalize()
        if isinstance(value, Mapping):
            parts = {key: part for key, part in value.items() if str(key) in chosen}
            if not parts and others.isdisjoint(map(str, value)):
                parts = value
            single = {key: part for key, part in parts.items() if _is_row(part)}
            if single:
                yield _table(title, single)
            for key, part in parts.items():
                if _is_table(part):
                    yield _table(f"{title}: {key}", dict(enumerate(part, start=1)))
        elif _is_table(value):
            yield _table(title, dict(enumerate(value, start=1)))


def _parts_of(architecture: Architecture) -> set[str]:
    """Return what a network's name chooses: keys of its page's tables."""
    return set(map(str, architecture.variant.values()))


def _listing(source: str) -> str:
    """Return the literal tables of a page as its source has them: constants of several lines."""
    parts: list[str] = []
    for statement in ast.parse(source).body:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        text = ast.get_source_segment(source, statement) or ""
        if isinstance(target, ast.Name) and target.id not in OURS and "\n" in text:
            parts.append(text)
    return "\n\n".join(parts)


def _is_row(value: Any) -> bool:
    """Return whether a value is a named tuple."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _is_table(value: Any) -> bool:
    """Return whether a value is a plain tuple of named tuples of one kind."""
    return (
        isinstance(value, tuple)
        and not _is_row(value)
        and bool(value)
        and all(_is_row(row) and type(row) is type(value[0]) for row in value)
    )


def _table(title: str, rows: Mapping[Any, Any]) -> PaperTable:
    """Return rows of named tuples with their keys as the first column."""
    fields: tuple[str, ...] = next(iter(rows.values()))._fields
    return PaperTable(
        title=title,
        heads=("", *(field.replace("_", " ") for field in fields)),
        rows=tuple((str(key), *map(_text, row)) for key, row in rows.items()),
    )


def _text(value: Any) -> str:
    """Return a cell as people write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(part)}" for key, part in value.items())
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    return str(value)
