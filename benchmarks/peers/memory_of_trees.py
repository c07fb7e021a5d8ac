"""Memory of a process and all its children, shared pages shared out."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Final

EVERY_S: Final = 0.5
_PROC: Final = Path("/proc")


class Sampler:
    """Looks at a process and its children every half second, in a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most: int | None = None
        self._most_of_one: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[int | None, int | None]:
        """Return the greatest sum and the greatest process; None where they are not told."""
        self._over.set()
        self._thread.join()
        return self._most, self._most_of_one

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            processes = _tree(self._pid)
            now = sum(_proportional_bytes(pid) for pid in processes)
            one = max(_peak_bytes(pid) for pid in processes)
            if now:
                self._most = max(self._most or 0, now)
            if one:
                self._most_of_one = max(self._most_of_one or 0, one)


def _tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        for task in (_PROC / str(one) / "task").glob("*/children"):
            try:
                left += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def _proportional_bytes(pid: int) -> int:
    """Return the proportional set size of a process."""
    return _line(pid, "smaps_rollup", "Pss")


def _peak_bytes(pid: int) -> int:
    """Return the greatest resident memory that a process has had."""
    return _line(pid, "status", "VmHWM")


def _line(pid: int, file: str, name: str) -> int:
    """Return a figure of a process in bytes; 0 where the process is gone or it is not told."""
    try:
        text = (_PROC / str(pid) / file).read_text()
    except OSError:
        return 0
    line = re.search(rf"^{name}:\s+(\d+) kB", text, flags=re.MULTILINE)
    return int(line[1]) * 1024 if line else 0
