"""Pictures that go while training runs: one sentence, the state saved, and what is wrong after."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.errors import RunError, TrainingError
from hubel.results import EpochRow
from hubel.workflows.watching import Watcher
from pictures import make_folder

QUICK = {"epochs": 3, "batch": 8, "size": 16, "threads": 1, "precision": "float32"}


class Spoil(Watcher):
    """Deletes a picture, or cuts it off, after the first pass."""

    def __init__(self, picture: Path, content: bytes | None) -> None:
        self.picture, self.content = picture, content

    def passed(self, row: EpochRow) -> None:
        if row.epoch == 1:
            self.picture.unlink()
            if self.content is not None:
                self.picture.write_bytes(self.content)


@pytest.mark.parametrize(("keep", "reason"), [(0, "no such file"), (60, "damaged|truncated")])
def test_a_picture_goes_while_training_runs(tmp_path: Path, keep: int, reason: str) -> None:
    folder = make_folder(tmp_path / "pictures")
    whole = hubel.train(folder, out=tmp_path / "whole", channels_last=True, **QUICK)
    rows = (whole.path / "data.csv").read_text().splitlines()
    key = next(row.split(",")[0] for row in rows if ",train," in row)
    picture = next(path for path in folder.rglob("*") if path.as_posix().endswith(key))
    original = picture.read_bytes()
    watcher = Spoil(picture, original[:keep] if keep else None)
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match=rf"(?s)read any more: .*({reason}).*training is saved"):
        hubel.train(folder, out=out, watcher=watcher, cache="none", channels_last=True, **QUICK)
    with pytest.raises(RunError, match="have changed since"):
        hubel.train(resume=out)
    picture.write_bytes(original)
    resumed = hubel.train(resume=out)
    assert resumed.weights_file.read_bytes() == whole.weights_file.read_bytes()
