"""Folders: which layout they have, and that nothing in them is dropped in silence."""

import os
from pathlib import Path

import numpy as np
import pytest

from hubel.data.folder import open_folder
from hubel.data.source import TEST, TRAIN, UNSPLIT, VAL
from hubel.errors import SourceError


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not opened")
    return open_folder(root, "pets")


def ids(source):
    return [finding.id for finding in source.findings]


def finding(source, identity):
    return next(found for found in source.findings if found.id == identity)


def test_class_folders_with_nested_ones(tmp_path):
    source = make(tmp_path, "dog/a.jpg", "cat/b.PNG", "cat/black/young/c.webp", "cat/d.Jpeg")
    index = source.index
    assert index.task == "classification"
    assert index.classes == ("cat", "dog")
    assert index.keys == ["cat/b.PNG", "cat/black/young/c.webp", "cat/d.Jpeg", "dog/a.jpg"]
    assert index.labels.tolist() == [0, 0, 0, 1]
    assert index.splits.tolist() == [UNSPLIT] * 4
    assert source.read(3) == tmp_path / "dog/a.jpg"
    assert source.location(3) == str(tmp_path / "dog/a.jpg")
    assert source.findings == ()


@pytest.mark.parametrize("words", [("train", "val", "test"), ("Training", "valid", "TESTING")])
def test_split_folders(tmp_path, words):
    train, val, test = words
    source = make(
        tmp_path,
        f"{train}/cat/a.png",
        f"{train}/dog/b.png",
        f"{val}/cat/c.png",
        f"{test}/dog/x/d.png",
    )
    known = dict(zip(source.index.keys, source.index.splits.tolist(), strict=True))
    assert known == {
        f"{train}/cat/a.png": TRAIN,
        f"{train}/dog/b.png": TRAIN,
        f"{val}/cat/c.png": VAL,
        f"{test}/dog/x/d.png": TEST,
    }
    assert source.index.classes == ("cat", "dog")
    assert source.index.labels.tolist() == [0 if "/cat/" in key else 1 for key in source.index.keys]


def test_the_union_of_the_classes_of_all_splits(tmp_path):
    source = make(tmp_path, "train/a/1.png", "train/b/2.png", "test/c/3.png")
    assert source.index.classes == ("a", "b", "c")


def test_one_class_may_be_called_train(tmp_path):
    source = make(tmp_path, "train/1.png", "car/2.png")
    assert source.index.classes == ("car", "train")


def test_train_alone_is_a_split(tmp_path):
    source = make(tmp_path, "train/a/1.png", "train/b/2.png")
    assert source.index.classes == ("a", "b")
    assert source.index.splits.tolist() == [TRAIN, TRAIN]


def test_pictures_outside_of_the_splits_are_named(tmp_path):
    source = make(tmp_path, "train/a/1.png", "test/a/2.png", "new/3.png", "4.png")
    assert source.index.keys == ["test/a/2.png", "train/a/1.png"]
    assert finding(source, "data/outside-splits").where == ("4.png", "new/3.png")


def test_pictures_without_a_class_are_named(tmp_path):
    source = make(tmp_path, "train/a/1.png", "test/2.png", "test/b/4.png")
    assert source.index.keys == ["test/b/4.png", "train/a/1.png"]
    assert finding(source, "data/without-class").where == ("test/2.png",)
    loose = make(tmp_path / "other", "a/1.png", "b/2.png", "3.png")
    assert finding(loose, "data/without-class").where == ("3.png",)


def test_splits_without_classes_are_unlabelled(tmp_path):
    source = make(tmp_path, "train/1.png", "test/2.png")
    assert source.index.task == "unlabelled"
    assert source.index.splits.tolist() == [TEST, TRAIN]


def test_flat_folder(tmp_path):
    source = make(tmp_path, "b.gif", "a.tif")
    assert source.index.task == "unlabelled"
    assert source.index.classes == ()
    assert source.index.keys == ["a.tif", "b.gif"]
    assert source.index.labels.tolist() == [-1, -1]


def test_other_files_are_counted_and_system_files_are_not(tmp_path):
    source = make(
        tmp_path, "a/1.jpg", "b/2.jpg", "b/notes.txt", "b/3.HEIC", "b/Thumbs.db", "b/.DS_Store",
        "b/._2.jpg", "__MACOSX/2.jpg", ".git/3.jpg", "LICENSE",
    )  # fmt: skip
    assert source.index.keys == ["a/1.jpg", "b/2.jpg"]
    assert source.index.classes == ("a", "b")
    ignored = finding(source, "data/ignored-files")
    assert sorted(ignored.evidence.split(", ")) == [".heic: 1", ".txt: 1", "no suffix: 1"]
    assert ignored.severity == "warning"
    assert ".heic" in ignored.remedy


def test_only_text_beside_pictures_is_a_note(tmp_path):
    source = make(tmp_path, "a/1.jpg", "b/2.jpg", "README.md")
    assert finding(source, "data/ignored-files").severity == "note"


def test_an_empty_class_folder_is_named(tmp_path):
    (tmp_path / "bird").mkdir()
    source = make(tmp_path, "a/1.jpg", "b/2.jpg")
    assert source.index.classes == ("a", "b")
    assert finding(source, "data/empty-class").where == ("bird",)
    (tmp_path / "split/train/bird").mkdir(parents=True)
    split = make(tmp_path / "split", "train/a/1.jpg", "test/a/2.jpg")
    assert finding(split, "data/empty-class").where == ("bird",)


def test_numbers_sort_as_numbers(tmp_path):
    source = make(tmp_path, "10/a.png", "9/b.png", "1/c.png")
    assert source.index.classes == ("1", "9", "10")


def test_links_are_followed_without_cycles(tmp_path):
    make(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "cat/again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dog/linked.png").symlink_to(tmp_path / "cat/1.png")
    (tmp_path / "dog/broken.png").symlink_to(tmp_path / "nowhere.png")
    source = open_folder(tmp_path, "pets")
    assert "dog/linked.png" in source.index.keys
    assert "dog/broken.png" in source.index.keys
    below = [key for key in source.index.keys if key.startswith("cat/again/")]
    assert below == ["cat/again/dog/2.png", "cat/again/dog/broken.png", "cat/again/dog/linked.png"]


def test_a_pipe_is_no_picture(tmp_path):
    make(tmp_path, "cat/1.png", "dog/2.png")
    os.mkfifo(tmp_path / "dog/pipe.png")
    assert open_folder(tmp_path, "pets").index.keys == ["cat/1.png", "dog/2.png"]


def test_names_that_are_no_unicode_can_be_printed_and_read(tmp_path):
    folder = tmp_path / "cat"
    folder.mkdir()
    path = os.fsencode(folder) + b"/\xff.png"
    Path(os.fsdecode(path)).write_bytes(b"x")
    source = make(tmp_path, "dog/2.png")
    assert source.index.keys[0] == "cat/\\xff.png"
    assert source.read(0).read_bytes() == b"x"


def test_class_names_that_differ_in_case(tmp_path):
    with pytest.raises(SourceError, match="differ only in case: 'Cat' and 'cat'"):
        make(tmp_path, "Cat/1.png", "cat/2.png")


def test_class_names_that_differ_in_case_across_splits(tmp_path):
    with pytest.raises(SourceError, match="differ only in case"):
        make(tmp_path, "train/Cat/1.png", "test/cat/2.png")


def test_accents_composed_differently(tmp_path):
    with pytest.raises(SourceError, match="differ only in case"):
        make(tmp_path, "café/1.png", "cafe\u0301/2.png")


def test_two_folders_for_one_split(tmp_path):
    with pytest.raises(SourceError, match=r"name the same split: test, val and valid; join"):
        make(tmp_path, "val/a/1.png", "valid/a/2.png", "test/a/3.png")


def test_no_pictures(tmp_path):
    with pytest.raises(SourceError, match=r"no pictures in pets: .* found no files"):
        open_folder(tmp_path, "pets")
    with pytest.raises(SourceError, match=r"found only files with \.svg \(2\), \.txt \(1\)"):
        make(tmp_path, "a/1.svg", "b/2.svg", "c.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read(tmp_path):
    make(tmp_path, "a/1.png")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(SourceError, match=r"Could not read the folder .*a: Permission denied"):
            open_folder(tmp_path, "pets")
    finally:
        (tmp_path / "a").chmod(0o755)


def test_the_index_does_not_grow_labels_of_another_type(tmp_path):
    index = make(tmp_path, "a/1.png", "b/2.png").index
    assert index.labels.dtype == np.int64
    assert index.splits.dtype == np.int8
