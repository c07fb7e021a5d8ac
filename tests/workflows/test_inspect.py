"""The public function `inspect`: what it returns and what it leaves."""

import os
import sys
import types

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.errors import RunError, SourceError, UsageError
from hubel.options import DataOptions
from hubel.results import Inspection
from hubel.results.files import read_json
from hubel.workflows import data


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for number in range(8):
        path = tmp_path / "my pets" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (12, 12), dtype=np.uint8)).save(path)
    (tmp_path / "my pets/a/copy.png").write_bytes((tmp_path / "my pets/a/0.png").read_bytes())
    (tmp_path / "my pets/b/bad.jpg").write_text("text")
    return tmp_path / "my pets"


def test_it_returns_the_inspection_and_leaves_json_and_page(pictures, tmp_path):
    seen = []
    inspection = hubel.inspect(pictures, progress=lambda *parts: seen.append(parts))
    out = tmp_path / "runs/data-my-pets"
    assert sorted(path.name for path in out.iterdir()) == ["data.html", "data.json"]
    assert read_json(out / "data.json", Inspection) == inspection
    assert inspection.pictures == 9
    assert seen == [(10, 10)]
    page = (out / "data.html").read_text()
    assert "a/copy.png" in page
    assert "data:image/png;base64," in page


def test_again_into_the_same_folder(pictures, tmp_path):
    first = hubel.inspect(pictures, out=tmp_path / "out", seed=1)
    second = hubel.inspect(pictures, options=DataOptions(out=tmp_path / "out", seed=1))
    assert first.digest == second.digest
    assert read_json(tmp_path / "out/data.json", Inspection).seconds == second.seconds


def test_thumbnails_of_what_the_findings_name(pictures):
    dataset = data.inspect_source(data.open_source(pictures), seed=0)
    found = data.finding_thumbnails(dataset)
    assert set(found) == {"a/0.png", "a/copy.png"}
    assert all(found.values())


def test_the_preview_gets_what_it_needs(pictures, tmp_path, monkeypatch):
    calls = []
    fake = types.ModuleType("hubel.data.preview")
    fake.write_preview = lambda *given: calls.append(given)
    monkeypatch.setitem(sys.modules, "hubel.data.preview", fake)
    hubel.inspect(pictures, out=tmp_path / "out", preview=True, size=9, augment=("mirror",), seed=3)
    ((dataset, preprocessing, augment, out, seed),) = calls
    assert dataset.inspection.pictures == 9
    assert (preprocessing.size, preprocessing.channels) == (9, 1)
    assert (augment, out, seed) == (("mirror",), tmp_path / "out/preview", 3)


def test_the_preview_of_a_flat_folder_without_classes(pictures, tmp_path, monkeypatch):
    calls = []
    fake = types.ModuleType("hubel.data.preview")
    fake.write_preview = lambda *given: calls.append(given)
    monkeypatch.setitem(sys.modules, "hubel.data.preview", fake)
    inspection = hubel.inspect(pictures / "a", out=tmp_path / "out", preview=True)
    assert inspection.task == "unlabelled"
    assert len(calls) == 1


def test_usage(pictures, tmp_path):
    with pytest.raises(UsageError, match="--threads takes a number 1 or more, not 0"):
        hubel.inspect(pictures, threads=0)
    with pytest.raises(UsageError, match="no 'my pet' here; did you mean my pets"):
        hubel.inspect("my pet")
    with pytest.raises(UsageError, match=r"no option .sed.: did you mean seed"):
        hubel.inspect(pictures, sed=3)
    (tmp_path / "void").mkdir()
    with pytest.raises(SourceError, match="no pictures in"):
        hubel.inspect(tmp_path / "void")


def test_an_output_that_cannot_be_made(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"Could not make the folder .*file/out: Not a directory"):
        hubel.inspect(pictures, out=tmp_path / "file/out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_cannot_be_written(pictures, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(RunError, match="Could not write"):
        hubel.inspect(pictures, out=tmp_path / "out")
