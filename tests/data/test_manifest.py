"""data.csv: what stands in it, and what has changed since."""

import csv
import os

import numpy as np
import pytest

from hubel.data.integrity import inspect_source
from hubel.data.manifest import compare, read_manifest, write_manifest
from hubel.data.opening import open_source
from hubel.data.source import TEST, TRAIN, VAL, Index, Source
from hubel.errors import RunError

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)


class Arrays(Source):
    name = "arrays"

    def __init__(self, keys, pictures, labels, splits):
        self.pictures = pictures
        self.index = Index(
            task="classification",
            classes=("x;y", 'say "z"'),
            keys=keys,
            labels=np.array(labels),
            splits=np.array(splits, np.int8),
        )

    def read(self, position):
        return self.pictures[position]


def dataset(keys="abcdef", pictures=None, labels=(0, 1) * 3, splits=(TRAIN, VAL, TEST) * 2):
    pictures = list(PICTURES) if pictures is None else pictures
    return inspect_source(open_source(Arrays(list(keys), pictures, labels, splits)), seed=0)


@pytest.fixture
def manifest(tmp_path):
    pictures = [*PICTURES[:5], b"damaged"]
    write_manifest(tmp_path / "data.csv", dataset(pictures=pictures))
    return read_manifest(tmp_path / "data.csv")


def test_what_stands_in_it(manifest, tmp_path):
    found = dataset()
    assert list(manifest) == list("abcdef")
    assert manifest["b"].split == "val"
    assert manifest["b"].label == 'say "z"'
    assert manifest["b"].sha256 == found.digests[1].tobytes().hex()
    assert (manifest["f"].split, manifest["f"].sha256) == ("", "")
    with (tmp_path / "data.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["key", "split", "label", "sha256"]


def test_nothing_has_changed(manifest):
    assert compare(manifest, dataset(pictures=[*PICTURES[:5], b"damaged too"])) == []


def test_each_change_is_told(manifest):
    pictures = [PICTURES[0], PICTURES[1] ^ 1, *PICTURES[2:5], PICTURES[5]]
    changed = dataset("abcdeg", pictures, (1, 1, 0, 1, 0, 1), (TRAIN, VAL, TRAIN, TRAIN, VAL, TEST))
    assert compare(manifest, changed) == [
        "1 picture added: g",
        "1 picture removed: f",
        "1 picture changed: b",
        "1 picture relabelled: a",
        "1 picture moved to another split: c",
    ]


def test_a_damaged_picture_is_a_change(manifest):
    told = compare(manifest, dataset())
    assert told == ["1 picture changed: f", "1 picture moved to another split: f"]


def test_another_order_is_a_change(tmp_path):
    write_manifest(tmp_path / "data.csv", dataset())
    manifest = read_manifest(tmp_path / "data.csv")
    turned = dataset("bacdef", PICTURES[[1, 0, 2, 3, 4, 5]], (1, 0, 0, 1, 0, 1), (1, 0, 2, 0, 1, 2))
    assert compare(manifest, turned) == ["the order of the pictures"]


def test_many_are_counted(tmp_path):
    write_manifest(tmp_path / "data.csv", dataset())
    manifest = read_manifest(tmp_path / "data.csv")
    assert compare(manifest, dataset(labels=(1, 0) * 3)) == [
        "6 pictures relabelled: a, b, c, d, e and 1 more"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged: expected the columns key, split, label, sha256"),
        ("key,split,label\n", "is damaged: expected"),
        ("key,split,label,sha256\na,b\n", "is damaged: expected"),
        ('key,split,label,sha256\n"a', "is damaged: unexpected end"),
        (b"\xff\xfe", "is damaged"),
    ],
)
def test_damage(tmp_path, text, message):
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunError, match=message):
        read_manifest(path)


def test_missing(tmp_path):
    with pytest.raises(RunError, match=r"Could not read .*data\.csv: No such file"):
        read_manifest(tmp_path / "data.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="Could not write"):
        write_manifest(tmp_path / "data.csv", dataset())
