"""The heap: blocks that are freed come back without page faults, unless the user says no."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from hubel.training.hardware import heap

FAULTS = """
import resource, sys
import numpy as np
from hubel.training.hardware.heap import keep_heap
print(keep_heap())
def one(): np.full(48 << 20, 1, np.uint8)
for _ in range(3): one()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): one()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment: str) -> tuple[bool, int]:
    """Page faults of five blocks of 48 MiB, after three that warm up."""
    plain = {name: value for name, value in os.environ.items() if name not in heap.OF_THE_USER}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env=plain | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    kept, count = done.stdout.split()
    return kept == "True", int(count)


@pytest.mark.skipif(not heap._has_glibc(), reason="only glibc has this heap")
def test_a_freed_block_is_taken_again_without_page_faults() -> None:
    pages = 5 * (48 << 20) // os.sysconf("SC_PAGE_SIZE")
    kept, count = faults(HUBEL_KEEP_HEAP="1")
    assert kept
    assert count < pages / 50
    kept, count = faults(HUBEL_KEEP_HEAP="0")
    assert not kept
    # With huge pages a fault may bring 512 pages at once.
    assert count > pages / 600


@pytest.mark.parametrize(
    "environment",
    [
        {"HUBEL_KEEP_HEAP": "0"},
        {"MALLOC_TRIM_THRESHOLD_": "1000"},
        {"MALLOC_MMAP_MAX_": "5"},
        {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=5"},
    ],
)
def test_what_the_user_chose_stands(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heap, "_has_glibc", lambda: True)
    monkeypatch.setattr(heap.ctypes, "CDLL", None)
    assert not heap.keep_heap(environment)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_name: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(heap.os, "confstr", unknown, raising=False)
    monkeypatch.setattr(heap.ctypes, "CDLL", None)
    assert not heap.keep_heap({})


def test_an_old_glibc_maps_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses a threshold above 32 MiB."""
    calls: list[tuple[int, int]] = []

    class Library:
        def __init__(self, _name: None) -> None:
            def mallopt(name: int, value: int) -> int:
                calls.append((name, value))
                return int(not (name == -3 and value > 32 << 20))

            self.mallopt = mallopt

    monkeypatch.setattr(heap, "_has_glibc", lambda: True)
    monkeypatch.setattr(heap.ctypes, "CDLL", Library)
    assert heap.keep_heap({})
    assert calls == [(-3, heap.LARGEST_KEPT), (-4, 0), (-1, -1)]
