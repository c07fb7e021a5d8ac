"""How much of the processors other programs took while something was measured."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, final

BUSY: Final = 0.2
"""Share of all processors from which on a measurement is not worth keeping."""
_STATISTICS: Final = Path("/proc/stat")


@final
class Load:
    """Reads what the processors have done since it was made.

    The share of others is  1 - (idle + own) / all,  in processor time, from Linux's counters; where
    there are none, it is not known and counts as 0.
    """

    def __init__(self, statistics: Path = _STATISTICS) -> None:
        self._statistics = statistics
        self._began = self._counters()
        self._own = time.process_time()

    def others(self) -> float:
        """Return the share of all processors that others took, from 0 to 1."""
        now = self._counters()
        if self._began is None or now is None or now[1] <= self._began[1]:
            return 0.0
        idle, total = now[0] - self._began[0], now[1] - self._began[1]
        own = (time.process_time() - self._own) * os.sysconf("SC_CLK_TCK")
        return min(1.0, max(0.0, 1 - (idle + own) / total))

    def _counters(self) -> tuple[int, int] | None:
        """Return ticks that all processors were idle, and all ticks; None where nobody counts."""
        try:
            words = self._statistics.read_text(encoding="ascii").split("\n", 1)[0].split()
            ticks = [int(word) for word in words[1:9]]  # guests count in user time already
        except (OSError, ValueError):
            return None
        return (ticks[3] + ticks[4], sum(ticks)) if len(ticks) == 8 else None
