"""A source of pictures: an index that is always in memory, and pictures read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hubel.results import Finding, Task

Raw = Path | bytes | NDArray[Any]
"""A picture before decoding: a file, the bytes of one, or pixels (height, width[, channels])."""

SPLITS: Final = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)
UNSPLIT: Final = -1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Index:
    """What is known of every picture without opening it.

    `labels` is int64 (n,) of positions in `classes` for classification, uint8 (n, len(classes))
    of 0 and 1 for multilabel, float32 (n, len(classes)) for regression (`classes` names the
    targets), and int64 (n,) of -1 where there are no labels.
    """

    task: Task
    classes: tuple[str, ...]
    keys: Sequence[str]
    """A stable, unique name a picture: its path below the source, or `test/17` in arrays."""
    labels: NDArray[Any]
    splits: NDArray[np.int8]
    """0 train, 1 val, 2 test, -1 where the source does not say."""
    groups: NDArray[np.int64] | None = None
    """Pictures of one group stay in one split; None where the source names no groups."""

    def __len__(self) -> int:
        return len(self.keys)


class Source(ABC):
    """Pictures with what is known of them. Subclass it for a source of one's own."""

    name: str
    """What the user calls it; recorded in runs."""
    index: Index
    split_shares: tuple[float, float, float] = (0.70, 0.15, 0.15)
    """Shares of train, val and test where hubel makes all three; where the source has test pictures
    of its own, val gets 15% of the others."""
    findings: tuple[Finding, ...] = ()
    """What was noticed when the source was opened; `hubel data` adds what the pictures show."""

    @abstractmethod
    def read(self, position: int) -> Raw:
        """Return the picture at `position` of the index, not decoded.

        Errors: PictureError where it cannot be read.
        """

    def location(self, position: int) -> str:
        """Return where a person finds the picture: a file's path, or empty for arrays."""
        raw = self.read(position)
        return str(raw) if isinstance(raw, Path) else ""
