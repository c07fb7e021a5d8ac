"""What the user typed, to a source."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hubel.data.opening import open_source
from hubel.data.source import Index, Source
from hubel.errors import SourceError, UsageError


class Own(Source):
    name = "own"

    def __init__(self, **changed):
        parts = {
            "task": "classification",
            "classes": ("a", "b"),
            "keys": ["1", "2", "3"],
            "labels": np.array([0, 1, 0]),
            "splits": np.full(3, -1, np.int8),
        }
        self.index = Index(**(parts | changed))

    def read(self, position):
        return np.full((2, 2), position, np.uint8)


def test_digits():
    source = open_source("digits")
    assert source.name == "digits"
    assert len(source.index) == 1797
    assert source.index.classes == tuple("0123456789")
    assert source.index.keys[5] == "digits/5"
    assert set(source.index.splits.tolist()) == {-1}
    assert source.split_shares == (0.68, 0.12, 0.20)
    bunch = load_digits()
    assert np.array_equal(source.index.labels, bunch.target)
    picture = source.read(5)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, [[round(v * 255 / 16) for v in row] for row in bunch.images[5]])


def test_a_folder_called_digits_is_reached_by_its_path(tmp_path, monkeypatch):
    (tmp_path / "digits/a").mkdir(parents=True)
    (tmp_path / "digits/a/1.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert len(open_source("./digits").index) == 1


def test_a_source_of_ones_own_is_itself():
    source = Own()
    assert open_source(source) is source
    assert source.location(0) == ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"keys": [], "labels": np.zeros(0, int), "splits": np.zeros(0, np.int8)}, "no pictures"),
        ({"keys": ["1", "1", "2"]}, "keys of own are not unique"),
        ({"labels": np.array([0, 1])}, "has 3 keys but 2 labels"),
        ({"splits": np.zeros(2, np.int8)}, "has 3 keys but 2 splits"),
        ({"groups": np.zeros(2, int)}, "has 3 keys but 2 groups"),
        ({"splits": np.array([0, 1, 3], np.int8)}, "must be 0, 1, 2 or -1"),
        ({"classes": ("a", "a")}, "Two classes of own have the same name"),
        ({"classes": ("a", "A")}, "differ only in case"),
        ({"labels": np.zeros((3, 2), int)}, r"must have shape \(3,\) and be integers"),
        ({"labels": np.zeros(3)}, "must have shape .* be integers for classification, not .*float"),
        ({"labels": np.array([0, 1, 2])}, "must lie in 0 to 1 for its 2 classes, not in 0 to 2"),
        ({"task": "multilabel"}, r"must have shape \(3, 2\)"),
        ({"task": "multilabel", "labels": np.full((3, 2), 2)}, "must lie in 0 to 1"),
        ({"task": "regression", "labels": np.zeros((3, 2), int)}, "be floats for regression"),
        ({"task": "regression", "labels": np.full((3, 2), np.nan)}, "must be finite"),
    ],
)
def test_an_index_that_does_not_fit_together(changed, message):
    with pytest.raises(SourceError, match=message):
        open_source(Own(**changed))


def test_what_does_not_exist(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no 'pictrues' here; did you mean pictures"):
        open_source("pictrues")
    with pytest.raises(UsageError, match="no 'digit' here; did you mean digits"):
        open_source("digit")
    with pytest.raises(UsageError, match=f"no 'zzz' in {tmp_path}; A source is a folder"):
        open_source(tmp_path / "zzz" / "deeper")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cat.jpg", "is one picture, not a source"),
        ("cats.zip", "no source that hubel knows.*Unpack it first"),
        ("cats.txt", "no source that hubel knows"),
    ],
)
def test_files_that_are_no_source(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=message):
        open_source(tmp_path / name)


def test_permission(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "list.csv").write_text("path,label\n")
    monkeypatch.setattr("hubel.data.opening.open_table", refuse)
    with pytest.raises(SourceError, match=r"Permission to read .*list\.csv is denied"):
        open_source(tmp_path / "list.csv")


def test_each_kind_is_reached(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "list.TSV").write_text("path\tlabel\na.png\tx\n")
    np.savez(tmp_path / "arrays.npz", x=np.zeros((2, 3, 3), np.uint8))
    assert open_source(str(tmp_path / "list.TSV")).index.classes == ("x",)
    assert len(open_source(tmp_path / "arrays.npz").index) == 2
    assert open_source(tmp_path).index.keys == ["a.png"]
