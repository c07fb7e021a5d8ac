"""A source that was inspected and split: what training and evaluation work on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.data.source import Source
from hubel.results import Inspection


def _no_digests() -> NDArray[np.uint8]:
    return np.zeros((0, 32), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A source with its final splits and what was found in it."""

    source: Source
    splits: NDArray[np.int8]
    """0 train, 1 val, 2 test; -1 for pictures that are not used, as those that cannot be decoded,
    and for all pictures of an unlabelled source without splits."""
    inspection: Inspection
    digests: NDArray[np.uint8] = field(default_factory=_no_digests)
    """(n, 32): SHA-256 of each picture's decoded pixels; zeros where it cannot be decoded."""

    def positions(self, split: int) -> NDArray[np.int64]:
        """Return the positions of a split's pictures, ascending."""
        return np.flatnonzero(self.splits == split)

    @property
    def usable(self) -> NDArray[np.int64]:
        """Positions of all pictures that can be decoded, in a split or not."""
        return np.flatnonzero(self.digests.any(axis=1))

    def labels_of(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the labels of the pictures at `positions`, as the index holds them."""
        return self.source.index.labels[positions]
