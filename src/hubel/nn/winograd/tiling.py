"""How pictures are cut into tiles, and the memory that one group of them after another uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

TAPS: Final = 3
OUT: Final = 4
"""Side of an output tile."""
IN: Final = OUT + TAPS - 1
"""Side of an input tile."""
PLANE: Final = 16384
"""Numbers of a group of pictures in each of the 36 planes, a thread: what a core's cache holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How pictures are cut into tiles, and how many of them are computed at a time."""

    pictures: int
    size: tuple[int, int]
    padding: tuple[int, int]
    inputs: int
    outputs: int

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the outputs."""
        (height, width), (above, left) = self.size, self.padding
        return height + 2 * above - TAPS + 1, width + 2 * left - TAPS + 1

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles; the last of each may reach beyond the picture."""
        height, width = self.output_size
        return -(-height // OUT), -(-width // OUT)

    def groups(self) -> Iterator[slice]:
        """Yield pictures that are computed together: so many that the caches hold them."""
        rows, columns = self.tiles
        plane = rows * columns * max(self.inputs, self.outputs)
        together = max(1, PLANE * torch.get_num_threads() // plane)
        for first in range(0, self.pictures, together):
            yield slice(first, min(first + together, self.pictures))


class Workspace:
    """Memory that one group of pictures after another uses, so that it stays in the caches."""

    def __init__(self, like: Tensor) -> None:
        """Keep numbers of the type and device of `like`."""
        self._like = like
        self._kept: dict[str, Tensor] = {}

    def empty(self, name: str, *shape: int) -> Tensor:
        """Return the numbers of `name` in this shape, as they were left."""
        return self._of(name, shape, self._like.new_empty)

    def zeros(self, name: str, *shape: int) -> Tensor:
        """Return the numbers of `name`, zeros at first."""
        return self._of(name, shape, self._like.new_zeros)

    def _of(self, name: str, shape: tuple[int, ...], new: Callable[[int], Tensor]) -> Tensor:
        numbers = math.prod(shape)
        if name not in self._kept:  # The first group is the largest.
            self._kept[name] = new(numbers)
        return self._kept[name][:numbers].view(shape)
