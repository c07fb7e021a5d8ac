"""Pictures cut out of sample photographs: the same ones in every number, made once."""

import pytest
from benchmarks import photographs
from PIL import Image


@pytest.fixture(autouse=True)
def no_stamps(monkeypatch, tmp_path):
    monkeypatch.setattr(photographs, "STAMPS", tmp_path / "none")


def test_a_picture_does_not_depend_on_how_many_are_made(tmp_path):
    few = photographs.make(tmp_path / "few", 12, photographs.SMALL)
    more = photographs.make(tmp_path / "more", 25, photographs.SMALL)
    for place in range(12):
        assert few.path(place).read_bytes() == more.path(place).read_bytes()
    assert few.path(0).read_bytes() != few.path(10).read_bytes()


def test_photographs_have_their_size_and_ten_classes(tmp_path):
    made = photographs.make(tmp_path / "all", 10)
    files = sorted(made.folder.glob("*/*.jpg"))
    assert len({file.parent.name for file in files}) == len(files) == 10
    for file in files:
        with Image.open(file) as picture:
            assert picture.size == photographs.SIZE
    assert made.mean_bytes == sum(file.stat().st_size for file in files) / 10


def test_a_complete_folder_is_taken_as_it_is_and_a_smaller_one_made_anew(tmp_path):
    first = photographs.make(tmp_path / "all", 12, photographs.SMALL)
    first.path(3).write_bytes(b"touched")
    again = photographs.make(tmp_path / "all", 10, photographs.SMALL)
    assert again.path(3).read_bytes() == b"touched"
    assert again.number == 12
    larger = photographs.make(tmp_path / "all", 13, photographs.SMALL)
    assert larger.path(3).read_bytes() != b"touched"


def test_splits_share_no_picture(tmp_path):
    made = photographs.make(tmp_path / "all", 15, photographs.SMALL)
    folder = photographs.linked(made, tmp_path / "linked", train=10, val=5)
    train = {path.name for path in folder.glob("train/*/*")}
    val = {path.name for path in folder.glob("val/*/*")}
    assert len(train) == 10
    assert len(val) == 5
    assert not train & val
    whole = photographs.linked(made, tmp_path / "linked", all=15)
    assert len(list(whole.glob("class-*/*.png"))) == 15
    assert not (whole / "train").exists()
