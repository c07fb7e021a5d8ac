"""The MNIST family's files, written here byte by byte."""

import gzip
import struct

import numpy as np
import pytest

from hubel.data.idx import is_idx, open_idx_file, open_idx_folder, read_idx
from hubel.data.opening import open_source
from hubel.data.source import TEST, TRAIN, UNSPLIT
from hubel.errors import SourceError


def idx(array, kind=8):
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


PICTURES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([7, 2, 7], np.uint8)


@pytest.fixture
def folder(tmp_path):
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(idx(PICTURES))
    with gzip.open(tmp_path / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(idx(LABELS))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(PICTURES[:2] + 100))
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx(LABELS[:2]))
    return tmp_path


def test_the_four_files(folder):
    source = open_source(folder)
    index = source.index
    assert index.task == "classification"
    assert index.classes == ("2", "7")
    assert index.keys == ["train/0", "train/1", "train/2", "test/0", "test/1"]
    assert index.labels.tolist() == [1, 0, 1, 1, 0]
    assert index.splits.tolist() == [TRAIN] * 3 + [TEST] * 2
    assert np.array_equal(source.read(1), PICTURES[1])
    assert np.array_equal(source.read(4), PICTURES[1] + 100)
    assert source.location(0) == ""


def test_the_unpacked_file_is_mapped_and_wins(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(PICTURES + 1))
    source = open_idx_folder(folder, "mnist")
    assert np.array_equal(source.read(0), PICTURES[0] + 1)
    assert isinstance(read_idx(folder / "train-images-idx3-ubyte").base, np.memmap)


def test_one_file_with_the_labels_beside_it(folder):
    source = open_source(folder / "train-images-idx3-ubyte.gz")
    assert source.index.keys == ["all/0", "all/1", "all/2"]
    assert source.index.splits.tolist() == [UNSPLIT] * 3
    assert source.index.labels.tolist() == [1, 0, 1]


def test_one_file_without_labels(tmp_path):
    (tmp_path / "images-idx3-ubyte").write_bytes(idx(PICTURES))
    source = open_idx_folder(tmp_path, "mnist")
    assert source.index.task == "unlabelled"
    assert source.index.splits.tolist() == [UNSPLIT] * 3


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([1, -2, 300], np.int16), 11),
        (np.array([[1, -2], [70000, 4]], np.int32), 12),
        (np.array([-1, 127], np.int8), 9),
    ],
)
def test_types(tmp_path, array, kind):
    (tmp_path / "file").write_bytes(idx(array, kind))
    assert np.array_equal(read_idx(tmp_path / "file"), array)


def test_names():
    assert is_idx("emnist-letters-train-images-idx3-ubyte.gz")
    assert is_idx("t10k-labels.idx1-ubyte")
    assert not is_idx("train-images.png")


def test_labels_only(folder):
    with pytest.raises(SourceError, match="holds labels: name the file of pictures"):
        open_idx_file(folder / "train-labels-idx1-ubyte.gz", "labels")
    for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte"):
        (folder / name).unlink()
    with pytest.raises(SourceError, match="idx files of labels, but none of pictures"):
        open_idx_folder(folder, "mnist")


def test_several_sets(folder):
    (folder / "kmnist-train-images-idx3-ubyte").write_bytes(idx(PICTURES))
    with pytest.raises(SourceError, match="several sets of idx files"):
        open_idx_folder(folder, "mnist")


def test_one_part_without_labels(folder):
    (folder / "t10k-labels.idx1-ubyte").unlink()
    with pytest.raises(SourceError, match="The test pictures of mnist have no file of labels"):
        open_idx_folder(folder, "mnist")


def test_another_number_of_labels(folder):
    (folder / "t10k-labels.idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(SourceError, match=r"labels of shape \(3,\) for 2 pictures"):
        open_idx_folder(folder, "mnist")


def test_pictures_that_are_none(folder):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(SourceError, match="must hold pictures as unsigned bytes"):
        open_idx_folder(folder, "mnist")


@pytest.mark.parametrize("data", [b"", b"PNG!1234", idx(PICTURES)[:3]])
def test_no_idx_file(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(SourceError, match=r"is no idx file|damaged or incomplete"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize("cut", [-1, 10])
def test_a_truncated_file(tmp_path, cut):
    (tmp_path / "file").write_bytes(idx(PICTURES)[:cut])
    with pytest.raises(SourceError, match="damaged or incomplete: its header says"):
        read_idx(tmp_path / "file")


def test_a_truncated_packed_file(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="damaged or incomplete"):
        read_idx(path)


def test_no_packed_file(tmp_path):
    (tmp_path / "file.gz").write_bytes(b"plain")
    with pytest.raises(SourceError, match="Not a gzipped file"):
        read_idx(tmp_path / "file.gz")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read_idx(tmp_path / "nothing.gz")
