"""Random numbers that are a function of what they are for, not of when they are drawn.

A number is found by hashing its counters (seed, pass, picture, …); there is no state. So a
resumed run needs none, and a picture is augmented alike whatever batch or thread it falls into.
The hash is the output function of SplitMix64 (steele2014), chained over the counters:

    h ← mix(h + (counter + 1) · 0x9E3779B97F4A7C15),    u = ⌊h / 2¹¹⌋ · 2⁻⁵³ in [0, 1)
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)

Hashes = NDArray[np.uint64]


def hashes(*counters: int | NDArray[Any]) -> Hashes:
    """Return 64 random bits for each combination of counters (integers or arrays, broadcast)."""
    state: Hashes = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for counter in counters:
            number = np.asarray(counter).astype(np.int64).view(np.uint64)
            state = _mix(state + (number + np.uint64(1)) * _GOLDEN)
    return state


def _mix(state: Hashes) -> Hashes:
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))


def uniforms(keys: Hashes, count: int) -> NDArray[np.float64]:
    """Return `count` independent numbers in [0, 1) for each key (n,), as (count, n)."""
    draws = hashes(keys[None, :], np.arange(count)[:, None])
    return (draws >> np.uint64(11)).astype(np.float64) * 2.0**-53


def one_seed(*counters: int) -> int:
    """Return a seed below 2⁶³ for a generator of a library."""
    return int(hashes(*counters)[0] >> np.uint64(1))


def generator(*counters: int) -> np.random.Generator:
    """Return numpy's generator for these counters; the global one is never touched."""
    return np.random.Generator(np.random.Philox(key=one_seed(*counters)))
