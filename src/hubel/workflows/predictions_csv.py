"""`predictions.csv` of an evaluation, and the CSV file of predictions."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.data.source import SPLITS, UNSPLIT, Source
from hubel.results import Prediction, Task
from hubel.results.files import atomic
from hubel.training.evaluation import Judged

Row = list[str]


def write_evaluated(
    path: Path, judged: Judged, source: Source, splits: NDArray[np.int8] | None
) -> None:
    """Write a row a picture: key, path, split, truth, answer, probability, unknown, loss, outputs.

    The last columns hold the calibrated probability of each class or label as `p:NAME`, or the
    number for each target as `predicted:NAME`. `splits` (pictures of the index,) is None where
    the source has none. Numbers have six significant digits.
    """
    interpreter = judged.interpreter
    prefix = "predicted" if interpreter.task == "regression" else "p"
    with atomic(path) as temporary, _rows(temporary) as write:
        write.writerow(
            ["key", "path", "split", "truth", "answer", "probability", "unknown", "loss"]
            + [f"{prefix}:{name}" for name in interpreter.classes]
        )
        for row, position in enumerate(judged.outputs.positions.tolist()):
            write.writerow(_evaluated_row(judged, source, splits, row, position))


def _evaluated_row(
    judged: Judged, source: Source, splits: NDArray[np.int8] | None, row: int, position: int
) -> Row:
    answer = judged.interpreter.answer(judged.believed[row])
    return [
        source.index.keys[position],
        source.location(position),
        "" if splits is None or splits[position] == UNSPLIT else SPLITS[splits[position]],
        judged.interpreter.truth(judged.outputs.targets[row]),
        answer.label,
        _number(answer.probability),
        _truth(answer.unknown),
        _number(float(judged.losses[row])),
        *[_number(value) for value in judged.believed[row].tolist()],
    ]


def with_csv(
    predictions: Iterator[Prediction],
    path: Path,
    *,
    task: Task,
    classes: tuple[str, ...],
    top: int,
) -> Generator[Prediction]:
    """Yield the predictions, and write each to `path`; the file appears when all are written.

    Columns: path, label, probability, unknown, error, then top_1, probability_1 and so on; for
    numbers: path, error and a column a target.
    """
    with atomic(path) as temporary, _rows(temporary) as write:
        write.writerow(_header(task, classes, top))
        for prediction in predictions:
            write.writerow(_predicted_row(prediction, task, classes, top))
            yield prediction


def _header(task: Task, classes: tuple[str, ...], top: int) -> Row:
    if task == "regression":
        return ["path", "error", *classes]
    ranked = [f"{name}_{place}" for place in range(1, top + 1) for name in ("top", "probability")]
    return ["path", "label", "probability", "unknown", "error", *ranked]


def _predicted_row(prediction: Prediction, task: Task, classes: tuple[str, ...], top: int) -> Row:
    if task == "regression":
        numbers = dict(prediction.top)
        values = [_number(numbers[name]) if name in numbers else "" for name in classes]
        return [prediction.path, prediction.error, *values]
    ranked = [cell for name, value in prediction.top for cell in (name, _number(value))]
    return [
        prediction.path,
        prediction.label,
        _number(prediction.probability),
        _truth(prediction.unknown),
        prediction.error,
        *ranked,
        *[""] * (2 * top - len(ranked)),
    ]


def _number(value: float) -> str:
    """Return a number with six significant digits; empty where there is none."""
    return "" if value != value else f"{value:.6g}"  # noqa: PLR0124 - NaN alone differs from itself


def _truth(value: bool) -> str:
    return "true" if value else "false"


@contextmanager
def _rows(path: Path) -> Generator[Any]:
    """Open a CSV file for writing."""
    with path.open("w", encoding="utf-8", newline="") as file:
        yield csv.writer(file, lineterminator="\n")
