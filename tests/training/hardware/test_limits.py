"""Processors and memory that a process may use, containers' limits included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hubel.training.hardware import limits
from hubel.training.hardware.limits import available_memory, thread_counts, usable_threads

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("quota", "environment", "expected"),
    [
        (None, {}, 8),
        ("max 100000", {}, 8),
        ("250000 100000", {}, 3),
        ("10000 100000", {}, 1),
        (None, {"OMP_NUM_THREADS": "2"}, 2),
        (None, {"OMP_NUM_THREADS": "4,2"}, 4),
        (None, {"OMP_NUM_THREADS": "64"}, 8),
        (None, {"OMP_NUM_THREADS": "many"}, 8),
        (None, {"OMP_NUM_THREADS": "0"}, 8),
        ("250000 100000", {"OMP_NUM_THREADS": "2"}, 2),
    ],
)
def test_the_least_limit_counts(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    quota: str | None,
    environment: dict[str, str],
    expected: int,
) -> None:
    monkeypatch.setattr(limits, "available_threads", lambda: 8)
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    assert usable_threads(environment, tmp_path) == expected


@pytest.mark.parametrize(
    ("most", "expected"), [(1, (1,)), (2, (2, 1)), (3, (3, 1)), (4, (4, 2, 1)), (64, (64, 32, 1))]
)
def test_all_half_and_one_thread_are_tried(most: int, expected: tuple[int, ...]) -> None:
    assert thread_counts(most) == expected


def test_available_memory_is_the_least_of_system_and_container(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   3000 kB\nBuffers: 1 kB\n")
    groups = tmp_path / "groups"
    groups.mkdir()
    assert available_memory(CPU, groups, proc) == 3000 * 1024
    (groups / "memory.max").write_text("max\n")
    (groups / "memory.current").write_text("1000000\n")
    assert available_memory(CPU, groups, proc) == 3000 * 1024
    (groups / "memory.max").write_text("1500000\n")
    assert available_memory(CPU, groups, proc) == 500_000
    (groups / "memory.stat").write_text("anon 5\ninactive_file 200000\n")
    assert available_memory(CPU, groups, proc) == 700_000
    (groups / "memory.current").write_text("9000000\n")
    assert available_memory(CPU, groups, proc) == 0


def test_a_limit_on_address_space_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import resource

    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "statm").write_text("10 5 1 0 0 0 0")
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1_000_000, 1_000_000))
    taken = 10 * resource.getpagesize()
    assert available_memory(CPU, tmp_path, tmp_path) == 1_000_000 - taken


def test_where_nobody_says_the_memory_is_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY,) * 2)
    assert available_memory(CPU, tmp_path, tmp_path) is None


def test_a_gpu_says_itself_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (5, 9))
    assert available_memory(torch.device("cuda", 0)) == 5
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 9)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2)
    assert available_memory(torch.device("mps")) == 7
