"""A check on the terminal: layers, totals, findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from hubel.cli.check_rows import COLUMNS, facts, hidden, lines, tally
from hubel.cli.tables import COLOURS, plain_table
from hubel.results import Check, Finding

_NAMED: Final = 4
"""Layers of a finding that are named."""
_RIGHT: Final = frozenset({"params", "MACs", "share", "field", "stride"})


def check_tables(check: Check, depth: int | None, *, alone: bool) -> Iterator[Table | Text]:
    """Give what is printed about one network; `alone` with its layers and totals."""
    if not alone:
        yield Text(check.model, "bold")
    elif check.layers:
        yield layers_table(check, depth)
    if alone:
        yield facts_table(check)
    for name in check.not_analysed:
        yield Text(f"Not analysed: {name}", "yellow")
    for note in check.notes:
        yield Text(note, "dim")
    if check.findings:
        yield design_findings(check.findings)
    else:
        yield Text("No design rule is broken.")


def design_findings(findings: Sequence[Finding]) -> Table:
    """Return findings with their rules, which --silence takes, and the layers concerned."""
    table = plain_table("", "")
    table.show_header = False
    for finding in findings:
        where = ", ".join(finding.where[:_NAMED])
        if len(finding.where) > _NAMED:
            where += f" and {len(finding.where) - _NAMED} more"
        words = Text(finding.what)
        words.append(f"\n{where}" if where else "", "bold")
        words.append(f"\n{finding.evidence}\n{finding.remedy}  [{finding.id}]", "dim")
        table.add_row(Text(finding.severity, COLOURS[finding.severity]), words)
    return table


def layers_table(check: Check, depth: int | None) -> Table:
    """Return the layers, folded."""
    table = plain_table(*(f">{name}" if name in _RIGHT else name for name in COLUMNS))
    for column in table.columns:
        column.no_wrap = column.justify == "right"
        column.overflow = "fold"
    shown = lines(check, depth)
    for line in shown:
        table.add_row(*(Text(cell) for cell in line.cells()))
    folded = hidden(check, shown)
    if folded:
        table.caption = f"{folded} layers are added up; --depth N shows N levels"
        table.caption_justify = "left"
    return table


def facts_table(check: Check) -> Table:
    """Return the totals, a line each."""
    table = plain_table("", "")
    table.show_header = False
    for name, text in facts(check):
        table.add_row(f"[dim]{name}[/]", Text(text))
    return table


def side_by_side(checks: Sequence[Check]) -> Table:
    """Return the totals of several networks, a column each."""
    table = plain_table("", *(f">{check.model}" for check in checks))
    columns = [dict(facts(check)) for check in checks]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(f"[dim]{name}[/]", *(Text(column.get(name, "–")) for column in columns))
    table.add_row("[dim]findings[/]", *(Text(tally(check)) for check in checks))
    return table
