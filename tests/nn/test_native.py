"""hubel's functions in C are compiled once, and where they cannot be, there are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubel.nn import native

needs_compiler = pytest.mark.skipif(native.library() is None, reason="there is no C compiler here")


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Look for the library anew, in the test and after it."""
    native.library.cache_clear()
    yield
    native.library.cache_clear()


@needs_compiler
@pytest.mark.usefixtures("forgotten")
def test_the_library_is_made_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    assert native.library() is not None
    (made,) = (tmp_path / "cache").iterdir()
    before = made.stat().st_mtime_ns
    native.library.cache_clear()
    assert native.library() is not None
    assert made.stat().st_mtime_ns == before


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("name", "value"), [("HUBEL_NATIVE", "0"), ("CC", "no-such-compiler"), ("CC", "false")]
)
def test_without_a_compiler_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path))
    monkeypatch.setenv(name, value)
    assert native.library() is None
    assert list(tmp_path.iterdir()) == []


@needs_compiler
@pytest.mark.usefixtures("forgotten")
def test_a_damaged_library_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "one"))
    native.library()
    (made,) = (tmp_path / "one").iterdir()
    # In another folder, since a library that is loaded is not read again.
    damaged = tmp_path / "other" / made.name
    damaged.parent.mkdir()
    damaged.write_bytes(made.read_bytes()[:100])
    monkeypatch.setenv("HUBEL_CACHE", str(damaged.parent))
    native.library.cache_clear()
    assert native.library() is not None
    assert damaged.stat().st_size == made.stat().st_size
