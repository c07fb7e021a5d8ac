"""Tables of pictures: CSV, TSV or Parquet with `path,label[,split][,group]` or targets."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hubel.data.files import FileSource
from hubel.data.naming import SPLIT_WORDS, check_class_names, rows, some, sort_classes
from hubel.data.source import UNSPLIT, Index, Source
from hubel.errors import MissingExtraError, SourceError, did_you_mean, nearest
from hubel.results import Task

TABLE_SUFFIXES: Final = {".csv": ",", ".tsv": "\t", ".parquet": ""}
_LARGEST: Final = float(np.finfo(np.float32).max)
_COLUMNS: Final = ("path", "label", "split", "group", "target")


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a table as stripped text; an empty text is an empty cell."""

    name: str
    columns: dict[str, list[str]]
    first_row: int
    """Number of the first picture's row, as a spreadsheet or a data frame counts."""
    skipped: frozenset[int]
    """Rows that are blank lines."""
    length: int

    def row_numbers(self) -> list[int]:
        """Return the number of each row that is not blank."""
        end = self.first_row + self.length + len(self.skipped)
        return [row for row in range(self.first_row, end) if row not in self.skipped]

    def rows_where(self, wrong: Callable[[str], bool], column: str) -> list[int]:
        """Return the numbers of the rows whose cell in `column` is wrong."""
        cells = zip(self.row_numbers(), self.columns[column], strict=True)
        return [row for row, cell in cells if wrong(cell)]


def open_table(path: Path, name: str) -> Source:
    """Return the pictures that a table lists; paths are relative to the table's folder.

    `label` holds a class, or several parted by `;` (then the task is multilabel, and a lone `;`
    means none of the labels). `target`, or several columns `target_NAME` or `target:NAME`, hold
    numbers (regression). `split` holds train, val or test, or nothing where hubel shall choose.
    Pictures with the same `group` stay in one split; an empty cell is a group of its own.

    Errors: SourceError that names the rows; MissingExtraError for Parquet without pyarrow.
    """
    table = _read_parquet(path, name) if path.suffix.lower() == ".parquet" else _read(path, name)
    targets = {column: _target_name(column) for column in table.columns if _target_name(column)}
    _check_columns(table, targets)
    keys = _paths(table, path.parent)
    return FileSource(name, path.parent, index_of(table, keys, targets))


def index_of(table: Table, keys: list[str], targets: dict[str, str]) -> Index:
    """Return the index of pictures called `keys`, from the columns label, split and group.

    `targets` maps columns of numbers to the names of the targets. Errors: SourceError that names
    the rows.
    """
    task, classes, labels = _labels(table, targets)
    check_class_names(classes, table.name)
    return Index(
        task=task,
        classes=classes,
        keys=keys,
        labels=labels,
        splits=_splits(table),
        groups=_groups(table.columns.get("group")),
    )


def _read(path: Path, name: str) -> Table:
    """Read a CSV or TSV file."""
    delimiter = TABLE_SUFFIXES[path.suffix.lower()]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = list(csv.reader(file, delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{name} is not UTF-8 text (byte {error.start:,}); save it as UTF-8."
        ) from None
    except csv.Error as error:
        raise SourceError(f"{name} cannot be read as a table: {error}.") from None
    if not records:
        raise SourceError(f"{name} is empty: expected a first row such as path,label.")
    header = [cell.strip().lower() for cell in records[0]]
    if len(header) == 1 and ";" in header[0]:
        raise SourceError(
            f"The columns of {name} are parted by ';': part them by ',' "
            "(';' parts several labels in a cell)."
        )
    blank = [row for row, record in enumerate(records[1:], 2) if not any(map(str.strip, record))]
    odd = [row for row, record in enumerate(records, 1) if record and len(record) != len(header)]
    if wrong := sorted(set(odd) - set(blank)):
        raise SourceError(
            f"{rows(wrong).capitalize()} of {name} have another number of cells than the "
            f"{len(header)} columns of the first row; quote cells that hold a {delimiter!r}."
        )
    skipped = frozenset(blank)
    body = [record for row, record in enumerate(records[1:], 2) if row not in skipped]
    cells = [[record[place].strip() for record in body] for place in range(len(header))]
    return _table(name, header, cells, first_row=2, skipped=skipped)


def _read_parquet(path: Path, name: str) -> Table:
    """Read a Parquet file; row 1 is the first picture."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError(f"Reading {name}", "tables") from None
    try:
        table = parquet.read_table(path)
        header = [column.strip().lower() for column in table.column_names]
        cells = [[_text(cell) for cell in column.to_pylist()] for column in table.columns]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise SourceError(f"{name} cannot be read as Parquet: {error}") from None
    return _table(name, header, cells, first_row=1, skipped=frozenset())


def _text(cell: Any) -> str:
    """Return a Parquet cell as CSV would hold it; a list of labels is parted by `;`."""
    if cell is None:
        return ""
    if isinstance(cell, list):
        return ";".join(str(item) for item in cell) or ";"
    return str(cell).strip()


def _table(
    name: str,
    header: list[str],
    cells: list[list[str]],
    *,
    first_row: int,
    skipped: frozenset[int],
) -> Table:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise SourceError(f"{name} has two columns called {twice[0]!r}; rename one.")
    length = len(cells[0]) if cells else 0
    if not length:
        raise SourceError(f"{name} has no rows below its first: there are no pictures in it.")
    columns = dict(zip(header, cells, strict=True))
    return Table(name, columns, first_row, skipped, length)


def _target_name(column: str) -> str:
    """Return the name of the target that a column holds; empty for any other column."""
    if column == "target":
        return column
    for prefix in ("target_", "target:"):
        if column.startswith(prefix):
            return column.removeprefix(prefix).strip()
    return ""


def _check_columns(table: Table, targets: dict[str, str]) -> None:
    if "path" not in table.columns:
        raise SourceError(
            f"{table.name} has no column 'path': its columns are {some(list(table.columns), 10)}."
        )
    if targets and "label" in table.columns:
        raise SourceError(
            f"{table.name} has a column 'label' and a column {next(iter(targets))!r}: "
            "keep 'label' for classes, or the target for numbers."
        )
    if len(set(targets.values())) < len(targets):
        raise SourceError(f"Two target columns of {table.name} have the same name.")
    for column in table.columns:
        near = nearest(column, _COLUMNS)
        if column in _COLUMNS or column in targets or not near:
            continue
        if near[0] not in table.columns and not (near[0] == "target" and targets):
            raise SourceError(
                f"{table.name} has a column {column!r}: {did_you_mean(column, _COLUMNS)}"
            )


def _paths(table: Table, folder: Path) -> list[str]:
    """Return the keys: the paths as written, with `/`; every one exists, and only once."""
    if empty := table.rows_where(lambda cell: not cell, "path"):
        raise SourceError(f"The path is missing in {rows(empty)} of {table.name}.")
    keys = [Path(cell).as_posix() for cell in table.columns["path"]]
    numbered = list(zip(table.row_numbers(), keys, strict=True))
    first: dict[str, int] = {}
    for row, key in numbered:
        if first.setdefault(key, row) != row:
            raise SourceError(
                f"Rows {first[key]} and {row} of {table.name} name the same picture {key!r}: "
                "keep one row a picture (several labels in a cell are parted by ';')."
            )
    absent = [(row, key) for row, key in numbered if not _is_file(folder / key)]
    if absent:
        named = some([f"row {row}: {key!r}" for row, key in absent], 3)
        raise SourceError(
            f"{len(absent):,} of the {len(keys):,} paths in {table.name} "
            f"{'is no file' if len(absent) == 1 else 'are no files'} ({named}); "
            f"paths are relative to the folder {folder.resolve()}."
        )
    return keys


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that may not be entered
        return False


def _labels(table: Table, targets: dict[str, str]) -> tuple[Task, tuple[str, ...], NDArray[Any]]:
    if targets:
        columns = [_numbers(table, column) for column in targets]
        return "regression", tuple(targets.values()), np.stack(columns, axis=1)
    if "label" not in table.columns:
        return "unlabelled", (), np.full(table.length, -1, np.int64)
    if empty := table.rows_where(lambda cell: not cell, "label"):
        raise SourceError(
            f"The label is missing in {rows(empty)} of {table.name}; "
            "where several labels are possible, a lone ';' says that none applies."
        )
    cells = table.columns["label"]
    if not any(";" in cell for cell in cells):
        classes = sort_classes(cells)
        place = {label: number for number, label in enumerate(classes)}
        return "classification", classes, np.array([place[cell] for cell in cells], np.int64)
    sets = [[word.strip() for word in cell.split(";") if word.strip()] for cell in cells]
    classes = sort_classes(label for labels in sets for label in labels)
    if not classes:
        raise SourceError(f"No row of {table.name} names a label.")
    place = {label: number for number, label in enumerate(classes)}
    matrix = np.zeros((len(cells), len(classes)), np.uint8)
    for row, labels in enumerate(sets):
        matrix[row, [place[label] for label in labels]] = 1
    return "multilabel", classes, matrix


def _numbers(table: Table, column: str) -> NDArray[np.float32]:
    """Return a column of finite numbers."""
    wrong = table.rows_where(lambda cell: not _is_number(cell), column)
    if wrong:
        cell = table.columns[column][table.row_numbers().index(wrong[0])]
        raise SourceError(
            f"The column {column!r} of {table.name} must hold finite numbers; "
            f"{rows(wrong)} {'does' if len(wrong) == 1 else 'do'} not (first: {cell!r}). "
            "For classes, call the column 'label'."
        )
    return np.array([float(cell) for cell in table.columns[column]], np.float32)


def _is_number(cell: str) -> bool:
    """Return whether a cell is a number that is finite in 32 bits."""
    try:
        return abs(float(cell)) <= _LARGEST
    except ValueError:
        return False


def _splits(table: Table) -> NDArray[np.int8]:
    cells = table.columns.get("split")
    if cells is None:
        return np.full(table.length, UNSPLIT, np.int8)
    unknown = table.rows_where(lambda cell: bool(cell) and cell.lower() not in SPLIT_WORDS, "split")
    if unknown:
        cell = cells[table.row_numbers().index(unknown[0])]
        raise SourceError(
            f"The split must be train, val or test (or empty); {rows(unknown)} of {table.name} "
            f"{'says' if len(unknown) == 1 else 'say'} something else (first: {cell!r})."
        )
    return np.array([SPLIT_WORDS.get(cell.lower(), UNSPLIT) for cell in cells], np.int8)


def _groups(cells: list[str] | None) -> NDArray[np.int64] | None:
    """Return a number a group; an empty cell gets a number of its own."""
    if cells is None:
        return None
    names: dict[str, int] = {}
    numbers = [names.setdefault(cell or f"\0{row}", len(names)) for row, cell in enumerate(cells)]
    return np.array(numbers, np.int64)
