"""Pictures that lie in arrays: blocks of (n, height, width[, channels]), one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from hubel.data.source import Index, Raw, Source


@final
class ArraySource(Source):
    """Pictures in arrays, which may be memory-mapped."""

    def __init__(self, name: str, blocks: Sequence[NDArray[Any]], index: Index) -> None:
        self.name = name
        self.index = index
        self._blocks = tuple(blocks)
        self._ends = tuple(accumulate(len(block) for block in self._blocks))

    def read(self, position: int) -> Raw:
        """Return the pixels of the picture at `position`."""
        block = bisect_right(self._ends, position)
        start = self._ends[block - 1] if block else 0
        return np.asarray(self._blocks[block][position - start])

    def location(self, position: int) -> str:
        """Return nothing: a picture in an array has no file of its own."""
        del position
        return ""


def numbered_keys(parts: Sequence[tuple[str, int]]) -> list[str]:
    """Return `part/0`, `part/1`, … for each (part, number of pictures)."""
    return [f"{part}/{number}" for part, length in parts for number in range(length)]
