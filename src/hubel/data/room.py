"""How much disk and memory there is, and how much of it the cache of pictures may take."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

from hubel.errors import UsageError

SHARE: Final = 4
"""The cache may take one part in so many of the memory that is free, and of the disk."""

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_CONTROL_GROUP: Final = Path("/sys/fs/cgroup")
_MEMORY: Final = Path("/proc/meminfo")


def choose_cache(cache: str, folder: Path) -> tuple[int, str]:
    """Return the greatest size of a cache in `folder`, in bytes, and why it is that.

    `cache` is auto, none, or a size such as 2GB. Memory counts although the cache is a file: it
    pays as long as the system can keep it there.

    Errors: UsageError for what is no size, and for a size that the disk does not have.
    """
    if cache == "none":
        return 0, "set by you; each pass decodes its pictures"
    disk = shutil.disk_usage(folder).free
    if cache == "auto":
        memory = available_memory()
        scarce, what = min((disk, "disk"), (memory, "memory"))
        return scarce // SHARE, f"a quarter of the free {what}, {spoken_size(scarce)}"
    size = parse_size(cache, "--cache")
    if size > disk:
        raise UsageError(
            f"--cache {cache} is more than the {spoken_size(disk)} that are free in {folder}: "
            "give less, or auto, or choose another disk with --out."
        )
    return size, "set by you"


def parse_size(text: str, option: str) -> int:
    """Return bytes of a size written as 500MB, 2GB or 1.5 GB (powers of 1,000).

    Errors: UsageError that names `option`.

    >>> parse_size("1.5GB", "--cache")
    1500000000
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if parts is None:
        raise UsageError(
            f"{option} takes auto, none, or a size such as 500MB or 2GB, not {text!r}."
        )
    return int(float(parts[1]) * _UNITS[parts[2]])


def spoken_size(size: int) -> str:
    """Return a size for people: 1.5 GB, 12 MB.

    >>> spoken_size(1_530_000_000)
    '1.5 GB'
    """
    if size >= 10**9:
        return f"{size / 10**9:,.1f} GB"
    return f"{size / 10**6:,.0f} MB"


def available_memory(memory: Path = _MEMORY, control_group: Path = _CONTROL_GROUP) -> int:
    """Return the bytes of memory that programs can still take, within the limit of a container.

    From Linux's MemAvailable, where there is one; elsewhere half of the machine's memory.
    """
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", memory.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        available = int(found[1]) * 1024
    else:
        available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    try:
        most = int((control_group / "memory.max").read_text())
        taken = int((control_group / "memory.current").read_text())
    except (OSError, ValueError):  # no such group, or no limit: "max"
        return available
    return min(available, max(0, most - taken))
