"""From values to positions: linear and logarithmic scales, their ticks, thinning of long lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

Point = tuple[float, float]

LARGEST: Final = 1e300
"""Greatest value that is drawn: with some air around it, it is still a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A map of values in [low, high] to positions in [start, end].

    Linear: start + (end − start) (v − low) / (high − low); logarithmic: the same of log v.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of `value`."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self, wanted: int = 5) -> tuple[float, ...]:
        """Return round values inside the scale, about `wanted` of them."""
        if self.log:
            return log_ticks(self.low, self.high, wanted)
        return linear_ticks(self.low, self.high, wanted)


def finite(values: Iterable[float]) -> list[float]:
    """Return the values that are finite, and whose range is."""
    return [value for value in values if abs(value) <= LARGEST]


def extent(values: Iterable[float], *, padding: float = 0.05) -> tuple[float, float]:
    """Return a range that holds all finite values with some air; [0, 1] where there are none.

    A constant c gets [c − d, c + d] with d = |c|/10, or 1 at zero, so that it lies in the middle.
    """
    known = finite(values)
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        air = abs(low) / 10 or 1.0
        return low - air, high + air
    air = (high - low) * padding
    return low - air, high + air


def log_extent(values: Iterable[float]) -> tuple[float, float] | None:
    """Return a range for a logarithmic scale; None unless all are over 0 and span 30 times."""
    known = finite(values)
    if not known or min(known) <= 0 or max(known) < 30 * min(known):
        return None
    return min(known) / 1.15, max(known) * 1.15


def tick_step(low: float, high: float, wanted: int) -> float:
    """Return 1, 2 or 5 times a power of ten, so that steps of it divide the range in `wanted`."""
    rough = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def linear_ticks(low: float, high: float, wanted: int = 5) -> tuple[float, ...]:
    """Return the multiples of a round step inside [low, high]."""
    step = tick_step(low, high, wanted)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(multiple * step for multiple in range(first, last + 1))


def log_ticks(low: float, high: float, wanted: int = 5) -> tuple[float, ...]:
    """Return powers of ten inside [low, high], with 2 and 5 between them where there are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        inside = [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]
        if len(inside) >= 3:
            break
    stride = max(1, math.ceil(len(inside) / (wanted + 2)))
    return tuple(inside[::stride])


def tick_text(value: float, ticks: Sequence[float], *, percent: bool = False) -> str:
    """Return the label of a tick, with as many decimals as tell it from the nearest other."""
    scale, sign = (100.0, "%") if percent else (1.0, "")
    gaps = [abs(other - value) * scale for other in ticks if other != value]
    gap = min([*gaps, abs(value) * scale or 1.0]) if gaps else abs(value) * scale or 1.0
    if not percent and not value and gap < 1e-4:
        return "0"
    if not percent and value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
    places = max(0, -math.floor(math.log10(gap) + 1e-9))
    return f"{value * scale:,.{min(places, 8)}f}{sign}".replace("-", "−")


def thin(points: Sequence[Point], limit: int) -> list[Point]:
    """Return at most `limit` points of a line, keeping its first, last and every extreme.

    The line is cut into `limit // 2 − 1` stretches; each keeps its least and its greatest point.
    """
    if len(points) <= limit:
        return list(points)
    inner = points[1:-1]
    stretches = max(1, limit // 2 - 1)
    kept = [points[0]]
    for index in range(stretches):
        start, end = (len(inner) * i // stretches for i in (index, index + 1))
        stretch = inner[start:end]
        least = min(range(len(stretch)), key=lambda i: stretch[i][1])
        most = max(range(len(stretch)), key=lambda i: stretch[i][1])
        kept.extend(stretch[i] for i in sorted({least, most}))
    return [*kept, points[-1]]
