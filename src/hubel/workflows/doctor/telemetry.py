"""`telemetry.json`: what the doctor measured while a run trained, and the parts of that training.

Rows are stored by columns, and a column whose entries are all the same as one entry: a row a step
stays small, since the file is written with each checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, TypeVar

import msgspec

from hubel.diagnosis.evidence.record import (
    BatchRow,
    EvaluationRow,
    Event,
    Record,
    StepRow,
    UnitRow,
    WeightRow,
)
from hubel.diagnosis.evidence.setting import Setting
from hubel.errors import RunError
from hubel.results import Run
from hubel.results.files import nulls_to_nan, read_json, write_json

Row = TypeVar("Row", StepRow, WeightRow, UnitRow, BatchRow, EvaluationRow, Event)
STAGE: Final = "telemetry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What is kept of a training for its diagnosis."""

    setting: Setting
    record: Record
    start: str = ""
    """Digest of the weights before the first update, see `weights_digest`; empty if not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Rows of one kind, by columns."""

    columns: dict[str, list[Any]]
    """A column with one entry holds it for all rows, as many as `step` has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The file as it is written."""

    setting: Setting
    start: str
    initial_loss: float
    probe_overhead: float
    step_every: Annotated[int, msgspec.Meta(ge=1)] = 1
    tables: dict[str, _Table] = field(default_factory=dict[str, _Table])


_KINDS: Final[dict[str, type]] = {
    "steps": StepRow,
    "weights": WeightRow,
    "units": UnitRow,
    "batches": BatchRow,
    "evaluations": EvaluationRow,
    "events": Event,
}
"""The lists of a record, and what each holds."""


def write_telemetry(run: Run, telemetry: Telemetry) -> None:
    """Write `telemetry.json` atomically. Errors: RunError where it cannot be written."""
    record = telemetry.record
    content = _File(
        setting=telemetry.setting,
        start=telemetry.start,
        initial_loss=record.initial_loss,
        probe_overhead=record.probe_overhead,
        step_every=record.step_every,
        tables={name: _table(getattr(record, name), kind) for name, kind in _KINDS.items()},
    )
    write_json(run.stage_file(STAGE), content, indent=0)


def read_telemetry(run: Run) -> Telemetry | None:
    """Return what was measured while the run trained; None where nothing was.

    Numbers that were not finite come back as NaN. Errors: RunError where the file is damaged.
    """
    path = run.stage_file(STAGE)
    if not path.is_file():
        return None
    content = read_json(path, _File)
    try:
        lists: dict[str, Any] = {
            name: _rows(content.tables[name], kind) for name, kind in _KINDS.items()
        }
    except (KeyError, ValueError, msgspec.ValidationError) as error:
        raise RunError(
            f"{path} is damaged or was edited: {error}. Restore it, or train anew."
        ) from error
    record = Record(
        initial_loss=content.initial_loss,
        probe_overhead=content.probe_overhead,
        step_every=content.step_every,
        **lists,
    )
    return Telemetry(setting=content.setting, record=record, start=content.start)


def write_record(run: Run, record: Record, setting: Setting, *, start: str = "") -> None:
    """Write a record and the parts of its training as `telemetry.json`."""
    write_telemetry(run, Telemetry(setting=setting, record=record, start=start))


def read_record(run: Run) -> Record | None:
    """Return the record of a run; None where the doctor did not watch it."""
    telemetry = read_telemetry(run)
    return telemetry.record if telemetry else None


def cut(record: Record, step: int) -> None:
    """Forget what was measured after `step` updates: a resumed run measures it again."""
    for name in _KINDS:
        rows: list[Any] = getattr(record, name)
        rows[:] = [row for row in rows if row.step <= step]


def _table(rows: Sequence[Any], kind: type) -> _Table:
    columns: dict[str, list[Any]] = {}
    for name in (one.name for one in fields(kind)):
        column = [getattr(row, name) for row in rows]
        # Compared by representation, since NaN is not equal to itself.
        same = name != "step" and len(set(map(repr, column))) == 1
        columns[name] = column[:1] if same else column
    return _Table(columns=columns)


def _rows(table: _Table, kind: type[Row]) -> list[Row]:
    """Return the rows of a table; ValueError where a column has another length."""
    number = len(table.columns["step"])
    columns: dict[str, list[Any]] = {}
    for name, column in table.columns.items():
        whole = column * number if len(column) == 1 else column
        if len(whole) != number:
            raise ValueError(f"its column {name!r} has {len(column)} entries of {number}")
        columns[name] = whole
    places = zip(*columns.values(), strict=True)
    rows = [dict(zip(columns, entries, strict=True)) for entries in places]
    return list(msgspec.convert(nulls_to_nan(rows, tuple[kind, ...]), tuple[kind, ...]))
