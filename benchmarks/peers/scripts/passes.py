"""Passes over pictures as a script times them: how long each took, how long it waited for data."""

from __future__ import annotations

import os
import time

from speaking import say


class Passes:
    """Times one pass after the other and says each when it ends.

    Between `stepped` (or `start`) and `arrived` the network waits for its next pictures.
    """

    def __init__(self) -> None:
        self.number = 0
        self.pictures = 0
        self.waited_s = 0.0
        self.began = self.idle = 0.0

    def start(self) -> None:
        """Begin a pass."""
        self.number += 1
        self.pictures, self.waited_s = 0, 0.0
        self.began = self.idle = time.perf_counter()

    def arrived(self, pictures: int) -> None:
        """Count a batch that is there."""
        self.waited_s += time.perf_counter() - self.idle
        self.pictures += pictures

    def stepped(self) -> None:
        """Wait for the next batch from now on."""
        self.idle = time.perf_counter()

    def end(self, *, waiting: bool = True, cached: bool = False) -> None:
        """Say what the pass was; without `waiting`, not how long it waited."""
        took_s = time.perf_counter() - self.began
        say(
            "pass",
            number=self.number,
            pictures=self.pictures,
            pictures_per_s=self.pictures / took_s,
            waiting_share=self.waited_s / took_s if waiting else None,
            cached=cached,
        )


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stay_on(number: int) -> None:
    """Use only so many processors; before any library counts them. Linux only."""
    free = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, free[:number])
    os.environ["OMP_NUM_THREADS"] = str(number)
