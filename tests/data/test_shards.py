"""Tar shards: as read, as written, and as the library webdataset reads what hubel writes."""

from __future__ import annotations

import gc
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import crop, make_folder

from hubel.data.decoding import decode
from hubel.data.integrity import inspect_source
from hubel.data.opening import open_source
from hubel.data.sharding import check_shards, write_shards
from hubel.data.source import TEST, TRAIN, UNSPLIT, VAL
from hubel.errors import PictureError, SourceError, UsageError


def png(number: int) -> bytes:
    data = io.BytesIO()
    crop(number % 2, number).save(data, "PNG")
    return data.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def labelled(first: int, count: int, label: str = "cls") -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for number in range(first, first + count):
        members |= {
            f"a/{number:04}.png": png(number),
            f"a/{number:04}.{label}": b"%d" % (number % 2),
        }
    return members


def test_pictures_and_labels_are_read_where_they_lie(tmp_path: Path) -> None:
    write_tar(tmp_path / "train-000.tar", labelled(0, 3))
    write_tar(tmp_path / "test-000.tar", labelled(3, 2))
    (tmp_path / "classes.txt").write_text("china\nflower\n")
    source = open_source(tmp_path)
    index = source.index
    assert index.keys == [
        "test-000/a/0003.png",
        "test-000/a/0004.png",
        *(f"train-000/a/{number:04}.png" for number in range(3)),
    ]
    assert index.classes == ("china", "flower")
    assert index.labels.tolist() == [1, 0, 0, 1, 0]
    assert index.splits.tolist() == [TEST, TEST, TRAIN, TRAIN, TRAIN]
    assert [source.read(place) for place in range(5)] == [png(n) for n in (3, 4, 0, 1, 2)]
    assert source.location(0) == ""


def test_one_tar_is_a_source_too(tmp_path: Path) -> None:
    source = open_source(write_tar(tmp_path / "cells.tar", labelled(0, 4)))
    assert source.index.classes == ("0", "1")
    assert (source.index.splits == UNSPLIT).all()


def test_json_holds_labels_splits_groups_and_numbers(tmp_path: Path) -> None:
    facts = [
        {"label": ["red"], "split": "train", "group": 7, "source": "ignored"},
        {"label": [], "split": "val", "group": 8},
        {"label": ["red", "blue"], "split": "test", "group": 7},
    ]
    members: dict[str, bytes] = {}
    for number, fact in enumerate(facts):
        members |= {f"{number}.png": png(number), f"{number}.json": json.dumps(fact).encode()}
    index = open_source(write_tar(tmp_path / "s.tar", members)).index
    assert (index.task, index.classes) == ("multilabel", ("blue", "red"))
    assert index.labels.tolist() == [[0, 1], [0, 0], [1, 1]]
    assert index.splits.tolist() == [TRAIN, VAL, TEST]
    assert index.groups is not None
    assert index.groups[0] == index.groups[2] != index.groups[1]
    members = {"0.png": png(0), "0.json": b'{"target_weight": 2.5, "target_age": 3}'}
    index = open_source(write_tar(tmp_path / "t.tar", members)).index
    assert (index.task, index.classes) == ("regression", ("weight", "age"))
    assert index.labels.tolist() == [[2.5, 3.0]]


def test_members_without_a_picture_and_other_suffixes_are_passed_over(tmp_path: Path) -> None:
    members = labelled(0, 2) | {
        "readme.txt": b"hello",
        "a/0001.embedding.npy": b"123",
        "z.cls": b"9",
    }
    index = open_source(write_tar(tmp_path / "s.tar", members)).index
    assert len(index) == 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"readme.txt": b"hello"}, "There are no pictures in the tar files"),
        (labelled(0, 2) | {"b.png": png(5)}, "1 of 3 samples .* have no label.*s/b.png"),
        ({"0.png": png(0), "0.jpg": png(1)}, "second picture of its sample"),
        ({"0.png": png(0), "0.json": b"{"}, "0.json cannot be read"),
        ({"0.png": png(0), "0.cls": b"\xff\xfe"}, "0.cls cannot be read"),
        ({"0.png": png(0), "0.json": b'{"label": {"a": 1}}'}, "label must be a word or a number"),
        ({"0.png": png(0), "0.cls": b"1" * 1_000_001}, "labels have at most"),
        ({"0.png": png(0), "0.cls": b"1", "0.json": b'{"target": 2}'}, "a label and a target"),
        ({"0.png": png(0), "0.json": b'{"label": "a", "split": "x"}'}, "split must be train"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    path = write_tar(tmp_path / "s.tar", members)
    with pytest.raises(SourceError, match=message):
        open_source(path)


def test_two_samples_with_one_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in [("0.png", png(0)), ("1.png", png(1)), ("0.png", png(2))]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(SourceError, match=r"same key 's/0.png'"):
        open_source(path)


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "s.tar", labelled(0, 2))
    (tmp_path / "classes.txt").write_text("china\n")
    with pytest.raises(SourceError, match=r"has class 1, but classes.txt names 1 classes"):
        open_source(path)
    (tmp_path / "classes.txt").write_bytes(b"\xff")
    with pytest.raises(SourceError, match=r"classes.txt of .* cannot be read"):
        open_source(path)


def test_damaged_and_compressed_tars_are_refused(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "s.tar", labelled(0, 3))
    data = whole.read_bytes()
    (tmp_path / "not.tar").write_bytes(b"hello" * 200)
    with pytest.raises(SourceError, match="cannot be read as a tar"):
        open_source(tmp_path / "not.tar")
    (tmp_path / "cut.tar").write_bytes(data[:1000])
    with pytest.raises(SourceError, match="cut off"):
        open_source(tmp_path / "cut.tar")
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(whole, "s")
    with pytest.raises(SourceError, match="not compressed"):
        open_source(tmp_path / "packed.tar")


def test_a_shard_that_changes_under_training_is_named(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "s.tar", labelled(0, 3))
    source = open_source(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(PictureError, match="shorter than it was"):
        source.read(2)
    path.unlink()
    with pytest.raises(PictureError, match="cannot be read"):
        source.read(0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_written_reads_the_same_here_and_in_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    dataset = inspect_source(open_source(make_folder(tmp_path / "photos")), seed=0)
    write_shards(dataset, tmp_path / "100%", largest=8_000)
    shards = sorted(path.name for path in (tmp_path / "100%").glob("*.tar"))
    assert len(shards) > 3  # the size was kept
    again = open_source(tmp_path / "100%")
    assert again.index.classes == dataset.source.index.classes
    assert np.bincount(again.index.splits).tolist() == np.bincount(dataset.splits).tolist()
    before = {
        decode(dataset.source.read(place)).tobytes(): int(dataset.source.index.labels[place])
        for place in range(len(dataset.source.index))
    }
    after = {
        decode(again.read(place)).tobytes(): int(again.index.labels[place])
        for place in range(len(again.index))
    }
    assert after == before
    urls = [str(tmp_path / "100%" / name) for name in shards]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    gc.collect()  # The library leaves the last file of each shard open.
    theirs = {decode(sample["png"]).tobytes(): int(sample["cls"]) for sample in samples}
    assert theirs == before


def test_arrays_become_lossless_files(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (12, 8, 9, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=pictures, y=np.arange(12) % 2)
    dataset = inspect_source(open_source(tmp_path / "a.npz"), seed=0)
    write_shards(dataset, tmp_path / "shards", largest=10**6)
    again = open_source(tmp_path / "shards")
    found = {decode(again.read(place)).tobytes() for place in range(len(again.index))}
    assert found == {picture.tobytes() for picture in pictures}
    with Image.open(io.BytesIO(again.read(0))) as image:  # type: ignore[arg-type]
        assert image.format == "PNG"


def test_shards_are_not_written_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for folder in (tmp_path / "full", tmp_path / "full" / "x"):
        with pytest.raises(UsageError, match="needs a new or empty folder"):
            check_shards(folder, 1)
    with pytest.raises(UsageError, match="--shard-mb takes a number 1 or more, not 0"):
        check_shards(tmp_path / "new", 0)
