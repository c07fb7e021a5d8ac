"""How large the cache may be."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from hubel.data import room
from hubel.data.room import available_memory, choose_cache, parse_size, spoken_size
from hubel.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 5 * 10**8), ("2GB", 2 * 10**9), ("1.5 gb", 15 * 10**8), ("3T", 3 * 10**12),
     ("7kB", 7000), ("0", 0), ("123456", 123456)],
)  # fmt: skip
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text, "--cache") == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "2GiB", "1,5GB", "GB", "1e9"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="--cache takes auto, none, or a size such as 500MB"):
        parse_size(text, "--cache")


def test_sizes_for_people() -> None:
    assert (spoken_size(12_300_000), spoken_size(1_530_000_000)) == ("12 MB", "1.5 GB")


@pytest.fixture
def machine(monkeypatch):
    def make(*, disk: int, memory: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=disk))
        monkeypatch.setattr(room, "available_memory", lambda: memory)

    return make


def test_the_scarcer_of_disk_and_memory_decides(machine, tmp_path: Path) -> None:
    machine(disk=80 * 10**9, memory=8 * 10**9)
    assert choose_cache("auto", tmp_path) == (
        2 * 10**9, "a quarter of the free memory, 8.0 GB",
    )  # fmt: skip
    machine(disk=4 * 10**9, memory=8 * 10**9)
    assert choose_cache("auto", tmp_path) == (10**9, "a quarter of the free disk, 4.0 GB")


def test_what_the_user_set(machine, tmp_path: Path) -> None:
    machine(disk=4 * 10**9, memory=10**9)
    assert choose_cache("3GB", tmp_path) == (3 * 10**9, "set by you")
    assert choose_cache("none", tmp_path)[0] == 0
    with pytest.raises(UsageError, match=r"--cache 5GB is more than the 4\.0 GB that are free in"):
        choose_cache("5GB", tmp_path)


def test_memory_within_the_limit_of_a_container(tmp_path: Path) -> None:
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal:  9000 kB\nMemAvailable:    6000 kB\n")
    assert available_memory(memory, tmp_path) == 6000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert available_memory(memory, tmp_path) == 6000 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    assert available_memory(memory, tmp_path) == 4000
    (tmp_path / "memory.max").write_text("500\n")
    assert available_memory(memory, tmp_path) == 0
    assert available_memory(tmp_path / "none", tmp_path / "none") > 10**7
