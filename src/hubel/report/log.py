"""Reading `log.csv`, also that of a run which was cut off in the middle of a line."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from typing import Any

from hubel.errors import RunError
from hubel.results import EpochRow, Run, Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The passes of a run, and whether its last line was cut off."""

    rows: tuple[EpochRow, ...]
    cut_off: bool = False


def read_log(run: Run) -> Log:
    """Read the run's `log.csv`; no rows where there is none.

    A last line that is not whole is left out. Errors: RunError that names the file and the line.
    """
    file = run.log_file
    if not file.is_file():
        return Log(rows=())
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"Could not read {file}: {error}.") from error
    lines = list(csv.reader(text.splitlines()))
    if not lines:
        return Log(rows=())
    heads = lines[0]
    missing = [field.name for field in fields(EpochRow) if field.name not in heads]
    if missing:
        raise RunError(
            f"{file} has no column {missing[0]!r}; its first line should name the columns "
            f"{', '.join(field.name for field in fields(EpochRow))}. Restore it, or train again."
        )
    rows: list[EpochRow] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            rows.append(_row(dict(zip(heads, line, strict=True))))
        except ValueError as error:
            if number == len(lines):
                return Log(rows=tuple(rows), cut_off=True)
            raise RunError(
                f"{file} is damaged or was edited: line {number}: {error}. Restore it, or delete "
                "the line."
            ) from error
    return Log(rows=tuple(rows))


def _row(cells: dict[str, str]) -> EpochRow:
    """Return one line as a row; an empty cell is NaN."""
    values: dict[str, Any] = {}
    for field in fields(EpochRow):
        cell = cells[field.name].strip()
        values[field.name] = int(cell) if field.name in {"epoch", "step"} else float(cell or "nan")
    return EpochRow(**values)


def passes(run: Run, training: Training | None) -> Log:
    """Return the passes of a run: of `train.json`, or of `log.csv` where that knows of more."""
    log = read_log(run)
    if training is not None and len(training.rows) >= len(log.rows):
        return Log(rows=training.rows)
    return log
