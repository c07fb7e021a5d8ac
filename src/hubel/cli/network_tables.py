"""Networks on the terminal: the list, the table of a paper, the drawing in letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from hubel.cli.tables import plain_table
from hubel.report.check_page import short
from hubel.report.drawing import boxes_of
from hubel.results import Check, LayerRow, NetworkEntry, NetworkPage

LINES: Final = 40
"""Lines that the drawing of a network may have before its parts are folded."""
CHAIN: Final = 4
"""Rows of a part that are named one after the other."""


def models_table(networks: Sequence[NetworkEntry]) -> RenderableType:
    """Return one line a network, by year, narrow enough for 80 columns."""
    table = plain_table(
        "network", "year", ">params", ">MACs", "input", ">top-1", ">top-5", "weights"
    )
    for column in table.columns:
        column.no_wrap = True
    for network in networks:
        errors = network.errors
        channels, _, side = network.input
        table.add_row(
            Text(network.name, "bold"),
            str(network.year),
            short(network.params),
            short(network.macs),
            f"{channels}×{side}²",
            _error(errors and errors.top1),
            _error(errors and errors.top5),
            _mechanism(network.weights),
        )
    table.caption = (
        "top-1, top-5: published error rates in percent; hubel models NAME gives their source and "
        "how they were measured, exact numbers, and the table of the paper"
    )
    return table


def _mechanism(origins: Sequence[str]) -> str:
    """Return how published weights come: by a package, without a network, where there is one."""
    kinds = [origin.partition(":")[0] for origin in origins]
    return "package" if "package" in kinds else kinds[0] if kinds else ""


def page_parts(page: NetworkPage, check: Check) -> Iterator[RenderableType]:
    """Yield the parts of one network's page: facts, text, tables of the paper, drawing."""
    yield _facts(page.entry)
    yield ""
    yield Text(page.text)
    for paper_table in page.tables:
        table = plain_table(*paper_table.heads)
        for row in paper_table.rows:
            table.add_row(*row)
        yield ""
        yield Text(paper_table.title, "bold")
        yield table
    if page.listing:
        yield ""
        yield Text(page.listing)
    yield ""
    yield Text(f"Drawing at {'×'.join(map(str, check.input))}", "bold")
    yield drawing(check)


def _facts(entry: NetworkEntry) -> RenderableType:
    """Return what is known of a network, a line each."""
    table = plain_table("", "")
    table.show_header = False
    table.add_row("network", Text(entry.name, "bold"))
    table.add_row("what", entry.summary)
    table.add_row("year, source", f"{entry.year}, {entry.source}")
    table.add_row("parameters", f"{entry.params:,}")
    table.add_row("MACs", f"{entry.macs:,}")
    shape = "×".join(map(str, entry.input))
    table.add_row("designed for", f"{shape} and {entry.outputs:,} classes")
    table.add_row("least size", f"{entry.least_size}×{entry.least_size}")
    if entry.arguments:
        table.add_row("arguments", ", ".join(entry.arguments))
    errors = entry.errors
    if errors:
        table.add_row(
            "published errors",
            f"top-1 {_error(errors.top1)}, top-5 {_error(errors.top5)} percent "
            f"({errors.data}, {errors.crops}; {errors.source})",
        )
    table.add_row("weights", "\n".join(entry.weights) or "none published that fit")
    return table


def _error(rate: float | None) -> str:
    """Return an error rate, or a dash where none is published."""
    return "–" if rate is None else f"{rate:g}"


def drawing(check: Check) -> RenderableType:
    """Return the network as a column of its parts, folded so that it fits about one screen.

    A part is a layer with what only rescales or bends its values; where that makes too many lines,
    parts are the modules at the depth where they fit.
    """
    table = plain_table("", "part", "what", "output", ">parameters", ">MACs")
    boxes, _ = boxes_of(check)
    parts = [(box.head.path, list(box.rows)) for box in boxes]
    if len(parts) > LINES:
        parts = _folded(check)
    for place, (path, rows) in enumerate(parts):
        table.add_row(
            "└" if place == len(parts) - 1 else "│",
            Text(path or "(bare operations)"),
            _what(rows),
            "×".join(map(str, rows[-1].output_shape[1:])),
            f"{params:,}" if (params := sum(row.params for row in rows)) else "",
            f"{macs / 1e6:,.1f} M" if (macs := sum(row.macs for row in rows)) else "",
        )
    return table


def _folded(check: Check) -> list[tuple[str, list[LayerRow]]]:
    """Return rows grouped by the first names of their paths, as deep as 40 lines allow."""
    deepest = max((row.path.count(".") + 1 for row in check.layers), default=1)
    groups = _grouped(check, 1)
    for depth in range(2, deepest + 1):
        finer = _grouped(check, depth)
        if len(finer) > LINES:
            break
        groups = finer
    return groups


def _grouped(check: Check, depth: int) -> list[tuple[str, list[LayerRow]]]:
    """Return runs of neighbouring rows with the same first `depth` names."""
    groups: list[tuple[str, list[LayerRow]]] = []
    for row in check.layers:
        name = ".".join(row.path.split(".")[:depth])
        if groups and groups[-1][0] == name:
            groups[-1][1].append(row)
        else:
            groups.append((name, [row]))
    return groups


def _what(rows: Sequence[LayerRow]) -> str:
    """Return the kinds of a part's rows: a few one after the other, many with their numbers."""
    if len(rows) <= CHAIN:
        return " · ".join(f"{row.kind} {row.details}".strip() for row in rows)
    numbers: dict[str, int] = {}
    for row in rows:
        numbers[row.kind] = numbers.get(row.kind, 0) + 1
    names = [kind if number == 1 else f"{number} {kind}" for kind, number in numbers.items()]
    return ", ".join(names)
