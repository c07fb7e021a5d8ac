"""The benchmark of prescriptions: its pictures, and what counts as a cure."""

from pathlib import Path

import numpy as np
import pytest
from benchmarks.doctor import data
from benchmarks.doctor.treating import Outcome, section, written
from PIL import Image

import hubel


def few():
    chance = np.random.default_rng(0)
    sizes = {"train": 12, "val": 4, "test": 4}
    pictures = {
        split: chance.integers(0, 256, (number, 3, 8, 8), dtype=np.uint8)
        for split, number in sizes.items()
    }
    labels = {f"{split}_labels": np.arange(number) % 2 for split, number in sizes.items()}
    return {**pictures, **labels}


def outcome(name, seed=0, **changes):
    numbers = {
        "healthy": 0.9, "faulty": 0.5, "treated": 0.88, "searched": 0.6, "cause": "rate/too-high",
        "options": {"--lr": "0.05"}, "verdict": "helped", "treat_s": 60.0, "tries": 3,
    }  # fmt: skip
    return Outcome(name=name, seed=seed, digest="x", **(numbers | changes))


def test_the_pictures_of_a_set_are_written_once_as_a_folder(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(data, "SETS", {"few": few})
    folder = written("few", tmp_path)
    assert written("few", tmp_path) == folder
    with Image.open(folder / "train" / "class1" / "00003.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture).transpose(2, 0, 1), few()["train"][3])
    assert hubel.inspect(folder).splits == {"train": 12, "val": 4, "test": 4}


def test_a_fault_without_harm_is_left_out_and_a_cure_is_near_the_healthy_twin():
    found = section(
        [
            outcome("cured"),
            outcome("nearly", treated=0.85, searched=0.89),
            outcome("harmless", faulty=0.89),
            outcome("sometimes"),
            outcome("sometimes", seed=1, faulty=0.9),
        ],
        "untouched",
        3,
    )
    assert [row[0] for row in found.rows] == ["cured", "nearly"]
    assert "--treat 50.0% (1/2" in found.verdict
    assert "random search 50.0% (1/2" in found.verdict
    assert found.verdict.endswith("left out: harmless, sometimes.")


@pytest.mark.parametrize("half", ["calibration", "untouched"])
def test_a_section_names_its_pictures(half):
    assert f"--half {half}" in section([outcome("cured")], half, 3).what
