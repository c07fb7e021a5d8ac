"""The pictures that a user names to predict."""

import io

import pytest

from hubel.data.pictures import find_pictures
from hubel.errors import UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in ("a.jpg", "b.PNG", "sub/c.gif", "sub/deep/d.jpg", "sub/notes.txt", "[x].jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["b.PNG", "a.jpg"], ["b.PNG", "a.jpg"]),
        (["sub"], ["sub/c.gif", "sub/deep/d.jpg"]),
        (["*.jpg"], ["[x].jpg", "a.jpg"]),
        (["**/*.jpg"], ["[x].jpg", "a.jpg", "sub/deep/d.jpg"]),
        (["[x].jpg"], ["[x].jpg"]),
        (["sub/notes.txt"], ["sub/notes.txt"]),
        (["a.jpg", "sub", "a.jpg", "sub/c.gif"], ["a.jpg", "sub/c.gif", "sub/deep/d.jpg"]),
    ],
)
def test_what_is_found(patterns, expected):
    assert [path.as_posix() for path in find_pictures(patterns)] == expected


def test_a_list_on_standard_input():
    found = find_pictures(["-", "b.PNG"], io.StringIO("a.jpg\r\n\nsub\n"))
    assert [path.as_posix() for path in found] == ["a.jpg", "sub/c.gif", "sub/deep/d.jpg", "b.PNG"]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["c.jpg", "a.jpg"], r"no picture 'c\.jpg': did you mean a\.jpg"),
        (["zzzzz"], r"There is no picture 'zzzzz'\.$"),
        (["nowhere/a.jpg"], "no picture 'nowhere/a.jpg': there is no folder 'nowhere'"),
        (["*.webp"], r"No file matches the pattern '\*\.webp'"),
        (["empty"], "no pictures in the folder 'empty'"),
        ([], "No pictures were named"),
        (["-"], "standard input, but there is none"),
    ],
)
def test_what_does_not_exist(patterns, message):
    with pytest.raises(UsageError, match=message):
        find_pictures(patterns)


def test_an_empty_list():
    with pytest.raises(UsageError, match="No pictures were named"):
        find_pictures(["-"], io.StringIO("\n"))


def test_a_broken_link_is_named_not_dropped(tmp_path):
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    assert len(find_pictures(["link.jpg"])) == 1
