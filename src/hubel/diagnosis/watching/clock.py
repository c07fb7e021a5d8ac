"""What watching costs: measured while it runs, and kept within a share of the training's time."""

from __future__ import annotations

from time import perf_counter
from typing import Final

SHARE: Final = 0.015
"""Of the training's time. The goal is 2%; the rest is for what cannot be measured from inside."""
GRACE_S: Final = 0.3
"""Free of charge, so that a training of a few seconds is seen, too."""
FIRST: Final = 16
MANY: Final = 256
"""Samples after which an interval doubles in any case, so that a long record stays small."""


class Clock:
    """Counts the time that watching takes."""

    def __init__(self) -> None:
        self.started = perf_counter()
        self.spent = 0.0

    def affords(self) -> bool:
        """Return whether there is time for something that does not happen at every step."""
        return self.spent <= GRACE_S + SHARE * (perf_counter() - self.started)

    def share(self) -> float:
        """Return the share of the time since the start that watching took."""
        return self.spent / max(perf_counter() - self.started, 1e-9)


class Interval:
    """Says at which updates to measure: at powers of 2, then every so many, ever more seldom."""

    def __init__(self, clock: Clock, every: int = FIRST, *, early: bool = True) -> None:
        self._clock = clock
        self._early = early
        self.every = every
        self._next = 1 if early else every
        self._taken = 0

    def due(self, update: int) -> bool:
        """Return whether update number `update`, from 1, is measured."""
        if update < self._next:
            return False
        affordable = self._clock.affords()
        self._taken += affordable
        if not affordable or self._taken % MANY == 0:
            self.every *= 2
        grows = self._early and update < self.every
        self._next = min(2 * update, self.every) if grows else update + self.every
        return affordable
