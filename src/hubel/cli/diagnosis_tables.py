"""A diagnosis on the terminal: verdict, causes, prescriptions, and what was not wrong."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hubel.cli.tables import COLOURS, plain_table
from hubel.results import (
    Checked,
    Diagnosis,
    Finding,
    Prescription,
    SymptomEntry,
    Treatment,
    Unchecked,
    said_of,
)

_NAMED: Final = 4
"""Layers or pictures of a finding that are named."""
_SHOWN: Final = 12
"""Symptoms that could not be looked for, of which the reasons are told."""
_TIERS: Final = ("certain fact", "telemetry", "active test", "retrain")
_VERDICTS: Final = {"helped": "green", "no difference seen": "yellow", "made it worse": "red"}


def diagnosis_parts(diagnosis: Diagnosis, *, verbose: bool) -> Iterator[RenderableType]:
    """Give what is printed of a diagnosis, the conclusion first.

    Command lines are texts that must not be wrapped, so that they can be copied.
    """
    colour = "yellow" if diagnosis.helped else "bold green"
    if diagnosis.causes:
        colour = COLOURS[diagnosis.causes[0].severity]
    head = Text(diagnosis.subject or "diagnosis", "bold")
    head.append(f"  after {diagnosis.step:,} steps" if diagnosis.step else "", "dim")
    yield head
    yield Text(diagnosis.conclusion, colour)
    for note in diagnosis.notes:
        yield Text(note, "dim")
    if diagnosis.causes:
        yield Text("")
        yield causes_table(diagnosis.causes, diagnosis.prescriptions)
    yield from _commands(diagnosis)
    for treatment in diagnosis.tried:
        yield Text("")
        yield treatment_text(treatment)
    if diagnosis.observations:
        yield Text("\nObservations: out of the ordinary, no harm was seen", "bold")
        yield observations_table(diagnosis.observations)
    yield Text("")
    yield from _healthy(diagnosis.healthy, verbose=verbose)
    if diagnosis.step or verbose:
        yield from _unchecked(diagnosis.unchecked, verbose=verbose)
    elif diagnosis.unchecked:
        yield Text(
            f"{_symptoms(len(diagnosis.unchecked))} could not be looked for before a training; "
            "--verbose tells why",
            "yellow",
        )


def causes_table(causes: Sequence[Finding], prescriptions: Sequence[Prescription]) -> Table:
    """Return the causes, the root first, with how sure they are, evidence and what to do."""
    table = plain_table(">", "", "")
    table.show_header = False
    todo = {one.cause: one for one in prescriptions}
    for place, cause in enumerate(causes, 1):
        sure = "certain" if cause.confidence >= 1 else f"{cause.confidence:.0%} sure"
        badge = Text(cause.severity, COLOURS[cause.severity]).append(f"\n{sure}", "dim")
        table.add_row(f"{place}.", badge, _words(cause, todo.get(cause.id)))
    return table


def _words(cause: Finding, prescription: Prescription | None) -> Text:
    words = Text(cause.what)
    if cause.where:
        words.append(f"\n{_places(cause.where)}", "bold")
    limit = f" (limit: {cause.threshold})" if cause.threshold else ""
    words.append(f"\n{cause.evidence}{limit}  [{cause.id}]", "dim")
    if prescription is not None and prescription.what:
        words.append(f"\n→ {prescription.what}", "cyan")
        if prescription.code and prescription.code != prescription.what:
            words.append(f"\n→ {prescription.code}", "cyan")
    return words


def _places(where: Sequence[str]) -> str:
    more = f" and {len(where) - _NAMED} more" if len(where) > _NAMED else ""
    return f"{', '.join(where[:_NAMED])}{more}"


def _commands(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    """Give the command to train with, on a line of its own that can be copied as it is."""
    if diagnosis.best_command:
        yield Text("\nTry", "bold")
        yield Text(f"  {diagnosis.best_command}", no_wrap=True)
        if not diagnosis.tried and diagnosis.step:
            treat = shlex.join(["hubel", "diagnose", diagnosis.subject, "--treat"])
            yield Text(f"  {treat}  shows whether it helps", "dim", no_wrap=True)


def treatment_text(treatment: Treatment) -> Text:
    """Return what the paired retrain has measured, with its interval."""
    text = Text("Treatment: ", "bold")
    text.append(treatment.verdict, _VERDICTS[treatment.verdict])
    text.append(
        f"\n{said_of(treatment.options)}: {100 * treatment.gain:+.1f} points on validation, "
        f"{100 * treatment.level:g}% interval {100 * treatment.low:+.1f} to "
        f"{100 * treatment.high:+.1f}, {treatment.pairs} pairs of {treatment.lengths}, "
        f"{treatment.seconds:.0f} s",
        "dim",
    )
    if treatment.limits:
        text.append(f"\n{treatment.limits}", "dim")
    return text


def observations_table(observations: Sequence[Finding]) -> Table:
    """Return observations, one a row."""
    table = plain_table("", "")
    table.show_header = False
    for one in observations:
        words = Text(one.what)
        words.append(f"\n{one.evidence}  [{one.id}]", "dim")
        table.add_row(Text("·", "dim"), words)
    return table


def _healthy(healthy: Sequence[Checked], *, verbose: bool) -> Iterator[RenderableType]:
    if not healthy:
        return
    number = len(healthy)
    found = f"{_symptoms(number)} {'were' if number > 1 else 'was'} looked for and not found"
    yield Text(found + ("" if verbose else "; --verbose shows them"), "green")
    if verbose:
        table = plain_table("", "")
        table.show_header = False
        for one in healthy:
            table.add_row(Text(one.id), Text(one.evidence, "dim"))
        yield Padding(table, (0, 0, 0, 2))


def _unchecked(unchecked: Sequence[Unchecked], *, verbose: bool) -> Iterator[RenderableType]:
    """Give what could not be looked for, together by the reason."""
    if not unchecked:
        return
    by_reason: dict[str, list[str]] = {}
    for one in unchecked:
        by_reason.setdefault(one.why, []).append(one.id)
    yield Text(f"{_symptoms(len(unchecked))} could not be looked for", "yellow")
    table = plain_table("", "")
    table.show_header = False
    shown = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for why, names in shown if verbose else shown[:_SHOWN]:
        table.add_row(Text(_listed(names, verbose=verbose)), Text(why, "dim"))
    yield Padding(table, (0, 0, 0, 2))
    if len(shown) > _SHOWN and not verbose:
        yield Text(f"  and {len(shown) - _SHOWN} more reasons: --verbose", "dim")


def _symptoms(number: int) -> str:
    return f"{number} symptom{'s' if number > 1 else ''}"


def _listed(names: Sequence[str], *, verbose: bool) -> str:
    return ", ".join(names) if verbose else _places(names)


def symptoms_table(entries: Sequence[SymptomEntry]) -> Table:
    """Return every symptom, one a row."""
    table = plain_table("symptom", "what it means", "what is measured", "compared with", "source")
    for one in entries:
        name = Text(one.id, COLOURS[one.severity])
        name.append(f"\n{_TIERS[one.tier]}", "dim")
        table.add_row(
            name,
            Text(one.meaning),
            Text(one.statistic),
            Text(one.threshold, "dim"),
            Text(one.source, "dim"),
        )
    return table
