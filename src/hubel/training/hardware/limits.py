"""What this process may use: processors and memory, limits of containers included."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from hubel.data.parallel import available_threads

CGROUPS: Final = Path("/sys/fs/cgroup")
PROC: Final = Path("/proc")
_KIB: Final = 1024


def usable_threads(environment: Mapping[str, str] | None = None, cgroups: Path = CGROUPS) -> int:
    """Return how many threads of arithmetic make sense: processors, less where a limit is set.

    The limits: the processors that the process may run on, a container's share of them (cpu.max,
    rounded up), and OMP_NUM_THREADS where it is set.
    """
    given = os.environ if environment is None else environment
    counts = [available_threads()]
    quota, _, period = _text(cgroups / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        counts.append(max(-(-int(quota) // int(period)), 1))
    asked = given.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        counts.append(int(asked))
    return min(counts)


def thread_counts(most: int) -> tuple[int, ...]:
    """Return the numbers of threads that are worth trying: all, half of them from 4 on, and one."""
    return tuple(sorted({most, most // 2 if most >= 4 else most, 1}, reverse=True))


def available_memory(
    device: torch.device, cgroups: Path = CGROUPS, proc: Path = PROC
) -> int | None:
    """Return the bytes that this process can still take on `device`; None where nobody says.

    A GPU: what CUDA reports as free. A processor: the least of the system's available memory, what
    a container's limit leaves, and what the limit on address space (RLIMIT_AS) leaves.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        taken = torch.mps.driver_allocated_memory()
        return max(torch.mps.recommended_max_memory() - taken, 0)
    known = (_system(proc), _container(cgroups), _address_space(proc))
    bounds = [bound for bound in known if bound is not None]
    return min(bounds) if bounds else None


def _system(proc: Path) -> int | None:
    """Return what Linux calls available: free, or free as soon as somebody asks for it."""
    for line in _text(proc / "meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * _KIB
    return None


def _container(cgroups: Path) -> int | None:
    """Return what the limit of a container (cgroup) leaves; files it only caches do not count."""
    limit, taken = _text(cgroups / "memory.max"), _text(cgroups / "memory.current")
    if not limit.isdecimal() or not taken.isdecimal():
        return None
    cached = 0
    for line in _text(cgroups / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file" and value.isdecimal():
            cached = int(value)
    return max(int(limit) - int(taken) + cached, 0)


def _address_space(proc: Path) -> int | None:
    """Return what RLIMIT_AS leaves; None where it is unlimited, or the system has none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _text(proc / "self" / "statm").partition(" ")[0]
    if limit == resource.RLIM_INFINITY or not pages.isdecimal():
        return None
    return max(limit - int(pages) * resource.getpagesize(), 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
