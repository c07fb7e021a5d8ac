"""JSON files of results: typed, exact, atomic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from hubel.errors import RunError
from hubel.results import Choice, EpochRow, Metric, Plan, Run
from hubel.results.files import atomic, read_json, to_json, write_bytes, write_json

ROW = EpochRow(
    epoch=1,
    step=20,
    lr=0.1 + 0.2,
    train_loss=1e-17,
    train_score=0.5,
    val_loss=math.nan,
    val_score=math.nan,
    pictures_per_s=100.0,
    waiting_share=0.0,
    seconds=1.5,
)


def test_round_trip_with_not_a_number(tmp_path: Path) -> None:
    write_json(tmp_path / "row.json", ROW)
    back = read_json(tmp_path / "row.json", EpochRow)
    assert math.isnan(back.val_loss)
    assert back.lr == ROW.lr
    assert back.train_loss == ROW.train_loss
    assert "null" in (tmp_path / "row.json").read_text()


def test_not_a_number_deep_inside(tmp_path: Path) -> None:
    value = {"a": (Metric(value=math.nan, low=0.0, high=1.0),)}
    write_json(tmp_path / "x.json", value)
    back = read_json(tmp_path / "x.json", dict[str, tuple[Metric, ...]])
    assert math.isnan(back["a"][0].value)
    assert back["a"][0].high == 1.0


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{", "is damaged or was edited"),
        ('{"epoch": "one"}', "is damaged or was edited"),
        ('{"epoch": 1}', "missing required field"),
        ("\xff", "is damaged or was edited"),
        (f'{{"epoch": 1{"0" * 400}}}', "a number of 401 digits stands in it"),
        (f'{{"rows": [{{"epoch": -1{"0" * 40}}}]}}', "a number of 41 digits stands in it"),
    ],
)
def test_damage_is_one_sentence(tmp_path: Path, text: str, hint: str) -> None:
    (tmp_path / "row.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=hint):
        read_json(tmp_path / "row.json", EpochRow)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Could not read .*none\.json: No such file"):
        read_json(tmp_path / "none.json", EpochRow)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")
    with pytest.raises(RunError, match="the file before it is intact"), atomic(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_line_json_has_no_line_breaks() -> None:
    assert b"\n" not in to_json(ROW, indent=0)


def test_plan_gives_values_by_name() -> None:
    plan = Plan(choices=(Choice(name="lr", value=0.1, chosen_by="user", reason="set by you"),))
    assert plan["lr"] == 0.1
    with pytest.raises(KeyError, match="batch"):
        plan["batch"]


def test_what_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="There is no run folder"):
        Run.open(tmp_path / "none")
    with pytest.raises(Exception, match=r"not a run folder: it has no plan\.json"):
        Run.open(tmp_path)


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="hubel train --resume"):
        Run(tmp_path).require_finished()


def test_numpy_scalars_are_written_as_numbers() -> None:
    assert to_json({"a": np.float64(0.5), "b": np.int64(3)}, indent=0) == b'{"a":0.5,"b":3}'


def test_what_has_no_place_in_json() -> None:
    with pytest.raises(NotImplementedError, match="object has no place in JSON"):
        to_json(object())


def test_a_device_is_written_and_not_replaced() -> None:
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(RunError, match="Could not write /dev/full: No space left on device"):
        write_bytes(full, b"x")
    assert full.is_char_device()


def test_the_file_behind_a_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
