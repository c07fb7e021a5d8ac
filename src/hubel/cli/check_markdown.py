"""A check as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hubel.cli.check_rows import COLUMNS, facts, lines, tally
from hubel.results import Check


def check_markdown(checks: Sequence[Check], depth: int | None) -> str:
    """Return a Markdown text about one network or several."""
    parts: list[str] = []
    if len(checks) > 1:
        parts += [*_comparison(checks), ""]
    for check in checks:
        parts += [f"## {_plain(check.model)}", ""]
        if len(checks) == 1:
            parts += [*_table(("", ""), facts(check)), ""]
        if check.layers:
            parts += [*_table(COLUMNS, (line.cells() for line in lines(check, depth))), ""]
        parts += [f"Not analysed: {_plain(name)}\n" for name in check.not_analysed]
        parts += [f"{_plain(note)}\n" for note in check.notes]
        if check.findings:
            header = ("severity", "rule", "finding", "evidence", "what to try")
            rows = (
                (found.severity, f"`{found.id}`", found.what, found.evidence, found.remedy)
                for found in check.findings
            )
            parts += [*_table(header, rows), ""]
    return "\n".join(parts)


def _comparison(checks: Sequence[Check]) -> Iterator[str]:
    columns = [dict(facts(check)) for check in checks]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, *(column.get(name, "–") for column in columns)) for name in names]
    rows.append(("findings", *(tally(check) for check in checks)))
    return _table(("", *(check.model for check in checks)), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(header)
    yield _row(["---"] * len(header))
    for row in rows:
        yield _row(row)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Return a text that cannot end a cell."""
    return text.replace("|", "\\|").replace("\n", " ")
