""".npz files: layouts, label kinds, memory mapping, and every way to be wrong."""

import numpy as np
import pytest

from hubel.data.arrays import open_arrays
from hubel.data.decoding import decode
from hubel.data.source import TEST, TRAIN, UNSPLIT, VAL
from hubel.errors import SourceError

PICTURES = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)


@pytest.fixture
def arrays(tmp_path):
    def write(save=np.savez, /, **content):
        save(tmp_path / "file.npz", **content)
        return open_arrays(tmp_path / "file.npz", "file")

    return write


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
        ("X_train", "Y_train", "X_val", "Y_val", "X_test", "Y_test"),
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    ],
)
def test_three_splits(arrays, names):
    content = {}
    for part, (pictures, labels) in enumerate(zip(names[::2], names[1::2], strict=True)):
        content[pictures] = PICTURES[2 * part : 2 * part + 2]
        content[labels] = np.array([[5], [3]])
    source = arrays(**content)
    assert source.index.classes == ("3", "5")
    assert source.index.labels.tolist() == [1, 0] * 3
    assert source.index.splits.tolist() == [TRAIN, TRAIN, VAL, VAL, TEST, TEST]
    assert source.index.keys[2:] == ["val/0", "val/1", "test/0", "test/1"]
    assert np.array_equal(source.read(3), PICTURES[3])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_pair(arrays, save, order):
    source = arrays(save, images=np.asarray(PICTURES, order=order), labels=np.arange(6) % 3)
    assert source.index.splits.tolist() == [UNSPLIT] * 6
    assert source.index.keys[0] == "all/0"
    for position in range(6):
        assert np.array_equal(source.read(position), PICTURES[position])


def test_plain_arrays_are_mapped(arrays):
    source = arrays(x=PICTURES, y=np.arange(6))
    assert isinstance(source._blocks[0], np.memmap)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats(arrays, dtype):
    values = np.linspace(0, 1, 6 * 16).reshape(6, 4, 4, 1).astype(dtype)
    source = arrays(x=values)
    assert source.index.task == "unlabelled"
    expected = np.rint(values[5].astype(np.float64) * 255)
    assert np.abs(decode(source.read(5)).astype(float) - expected).max() <= 1


def test_sixteen_bits_stay(arrays):
    assert arrays(x=PICTURES.astype(np.uint16) * 600).read(5).dtype == np.uint16


@pytest.mark.parametrize(
    ("labels", "task", "classes", "values"),
    [
        (["dog", "cat"] * 3, "classification", ("cat", "dog"), [1, 0] * 3),
        ([b"dog", b"cat"] * 3, "classification", ("cat", "dog"), [1, 0] * 3),
        ([True, False] * 3, "classification", ("False", "True"), [1, 0] * 3),
        ([[1.0, 0.0], [0.0, 1.0]] * 3, "classification", ("0", "1"), [0, 1] * 3),
        ([[1, 1], [0, 1]] * 3, "multilabel", ("0", "1"), [[1, 1], [0, 1]] * 3),
        ([0.5, 2.0] * 3, "regression", ("target",), [[0.5], [2.0]] * 3),
        ([[0.5, 2.0]] * 6, "regression", ("0", "1"), [[0.5, 2.0]] * 6),
    ],
)
def test_kinds_of_labels(arrays, labels, task, classes, values):
    index = arrays(x=PICTURES, y=np.array(labels)).index
    assert (index.task, index.classes, index.labels.tolist()) == (task, classes, values)


def test_named_classes(arrays):
    named = arrays(x=PICTURES, y=np.array([2, 0] * 3), classes=np.array(["ant", "bee", "cow"]))
    assert named.index.classes == ("ant", "cow")
    several = arrays(x=PICTURES, y=np.array([[1, 1], [0, 1]] * 3), classes=np.array(["red", "big"]))
    assert several.index.classes == ("red", "big")


Y = np.arange(6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": PICTURES}, "holds the arrays a: expected x_train"),
        ({"y": Y}, "holds 'y' but not 'x'"),
        ({"x": PICTURES, "y": Y, "x_train": PICTURES, "y_train": Y}, "two kinds of names"),
        ({"x_train": PICTURES, "y_train": Y, "x_test": PICTURES}, "test pictures of file have no"),
        ({"x": PICTURES.reshape(6, 16)}, r"have shape \(6, 16\): expected"),
        ({"x": np.zeros((6, 3, 5, 5), np.uint8)}, r"have shape .*Channels come last"),
        ({"x": np.zeros((6, 0, 4), np.uint8)}, "a side is 0"),
        ({"x": PICTURES.astype(np.int64)}, "are int64: expected uint8, uint16 or floats"),
        ({"x": PICTURES.astype(np.float32)}, "floats from 0 to 95: expected 0 to 1"),
        ({"x": np.full((6, 4, 4), np.nan)}, "floats from nan to nan"),
        ({"x": PICTURES, "y": Y[:5]}, "are 6, but they have 5 labels"),
        ({"x": PICTURES, "y": Y.astype(complex)}, "labels of file are complex128"),
        ({"x": PICTURES, "y": np.full((6, 2), "x")}, "labels of file are <U1"),
        ({"x": PICTURES, "y": np.full((6, 2), 7)}, "have 2 columns: expected 0 and 1"),
        ({"x": PICTURES, "y": np.array([1.5, np.nan] * 3)}, r"not finite in 3 rows \(1, 3 and 5\)"),
        ({"x": PICTURES, "y": np.array(["a", ""] * 3)}, r"label is missing in 3 rows"),
        ({"x": PICTURES, "y": Y, "classes": np.array(["a", "b"])}, "names 2 classes, but"),
        ({"x": PICTURES, "y": np.array(["A", "a"] * 3)}, "differ only in case"),
        (
            {"x_train": PICTURES, "y_train": Y, "x_test": PICTURES, "y_test": Y * 1.0},
            "differ in shape or type between its splits",
        ),
    ],
)
def test_what_is_wrong_is_said(arrays, content, message):
    with pytest.raises(SourceError, match=message):
        arrays(**content)


def test_pickled_objects_are_not_loaded(arrays):
    with pytest.raises(SourceError, match="pickled objects, which hubel does not load"):
        arrays(x=PICTURES, y=np.array([{}] * 6, dtype=object))


@pytest.mark.parametrize("data", [b"", b"no zip", None])
def test_damage(arrays, tmp_path, data):
    arrays(np.savez_compressed, x=PICTURES)
    path = tmp_path / "file.npz"
    path.write_bytes(path.read_bytes()[:60] if data is None else data)
    with pytest.raises(SourceError, match=r"damaged or no \.npz file"):
        open_arrays(path, "file")
