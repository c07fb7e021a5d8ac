"""telemetry.json gives back what was measured, and is refused where it was changed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hubel.diagnosis.evidence.record import (
    BatchRow,
    EvaluationRow,
    Event,
    Record,
    StepRow,
    UnitRow,
    WeightRow,
)
from hubel.diagnosis.evidence.setting import ModuleFact, OptimizerFact, Setting
from hubel.errors import RunError
from hubel.results import Run
from hubel.results.files import DIGEST, digest_of
from hubel.workflows.doctor.telemetry import cut, read_record, read_telemetry, write_record


def setting() -> Setting:
    return Setting(
        origin="hubel",
        task="classification",
        classes=3,
        modules=(ModuleFact(path="0", kind="Conv2d", details={"kernel_size": 3.0}),),
        optimizer=OptimizerFact(kind="SGD", groups=({"lr": 0.1},)),
        options={"augment": ["safe"], "clip": None},
    )


def record() -> Record:
    return Record(
        steps=[
            StepRow(step=step, pass_number=1, loss=1 / step, lr=0.1, pictures=8, accuracy=math.nan)
            for step in (1, 2, 3)
        ],
        weights=[
            WeightRow(step=2, name=name, weight=0.5, gradient=math.inf, update=0.1, mean_ratio=0.2)
            for name in ("0.weight", "0.bias")
        ],
        units=[
            UnitRow(
                step=0, path="0", kind="ReLU", mean=0.1, std=1.0, largest=3.0, zeros=0.5,
                dead=0.0, still=0.0,
            )
        ],
        batches=[
            BatchRow(
                step=1, split="train", shape=(8, 1, 4, 4), dtype="float32", low=-1.0, high=2.0,
                mean=(0.0, math.nan), std=(1.0, 2.0), labels=(0, 2, 1),
            )
        ],
        evaluations=[
            EvaluationRow(
                step=3, pass_number=1, split="val", mode="eval", loss=0.5, accuracy=0.9, pictures=4
            )
        ],
        events=[Event(step=3, kind="non-finite-loss", where=("a.png",), detail="nan")] * 2,
        initial_loss=2.3,
        probe_overhead=0.01,
    )  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Whether two records say the same; NaN and infinity are one in JSON."""
    return repr(asdict(one)).replace("inf", "nan") == repr(asdict(other))


def test_what_was_measured_comes_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_record(run, record(), setting(), start="abc")
    found = read_telemetry(run)
    assert found is not None
    assert same(record(), found.record)
    assert found.setting == setting()
    assert found.start == "abc"
    assert same(found.record, read_record(run))


def test_an_empty_record_comes_back(tmp_path: Path) -> None:
    write_record(Run(tmp_path), Record(), setting())
    assert same(Record(), read_record(Run(tmp_path)))


def test_a_run_without_a_doctor_has_none(tmp_path: Path) -> None:
    assert read_record(Run(tmp_path)) is None


def test_a_column_that_never_changes_is_stored_once(tmp_path: Path) -> None:
    write_record(Run(tmp_path), record(), setting())
    columns = json.loads((tmp_path / "telemetry.json").read_text())["tables"]["steps"]["columns"]
    assert columns["step"] == [1, 2, 3]
    assert columns["loss"] == [1, 1 / 2, 1 / 3]
    assert columns["pictures"] == [8]


def test_what_lies_after_a_checkpoint_is_cut_off() -> None:
    found = record()
    cut(found, 2)
    assert [row.step for row in found.steps] == [1, 2]
    assert len(found.weights) == 2
    assert (found.evaluations, found.events) == ([], [])
    cut(found, 1)
    assert (len(found.weights), len(found.batches), len(found.units)) == (0, 1, 1)


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    write_record(Run(tmp_path), record(), setting())
    path = tmp_path / "telemetry.json"
    path.write_text(path.read_text().replace('"classes":3', '"classes":4'))
    with pytest.raises(RunError, match=r"telemetry\.json is damaged or was edited: it says"):
        read_telemetry(Run(tmp_path))


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    write_record(Run(tmp_path), record(), setting())
    path = tmp_path / "telemetry.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match=r"telemetry\.json is damaged or was edited"):
        read_telemetry(Run(tmp_path))


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("loss", [1.0, 2.0], "its column 'loss' has 2 entries of 3"),
        ("loss", ["x", 1.0, 2.0], "Expected `float`"),
        ("step", None, "step"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    column: str, values: list[Any] | None, says: str, tmp_path: Path
) -> None:
    write_record(Run(tmp_path), record(), setting())
    path = tmp_path / "telemetry.json"
    content = json.loads(path.read_text())
    columns = content["tables"]["steps"]["columns"]
    columns[column] = values
    if values is None:
        del columns[column]
    del content[DIGEST]
    path.write_text(json.dumps({**content, DIGEST: digest_of(content)}))
    with pytest.raises(RunError, match=rf"telemetry\.json is damaged or was edited: .*{says}"):
        read_telemetry(Run(tmp_path))
