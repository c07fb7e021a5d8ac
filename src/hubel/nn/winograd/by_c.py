"""The transforms of Winograd's convolution by hubel's functions in C."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from hubel.nn.native import LANES, Tiled, library
from hubel.nn.winograd.tiling import IN, Tiling, Workspace


def has_c(inputs: int, outputs: int) -> bool:
    """Return whether a convolution of so many channels can have its transforms in C, here."""
    return inputs % LANES == 0 and outputs % LANES == 0 and library() is not None


class ByC:
    """The four transforms of groups of pictures, (n, height, width, channels), as `ByTorch` has.

    Only for float32 on a processor, contiguous pictures, and channels as `has_c` says.
    """

    def __init__(self, tiling: Tiling, work: Workspace, functions: ctypes.CDLL) -> None:
        """Compute with the functions of `library`."""
        self._tiling, self._work, self._functions = tiling, work, functions

    def input_tiles(self, pictures: Tensor) -> Tensor:
        """Return  Bᵀ d B  of the overlapping input tiles d."""
        tiling = self._tiling
        tiles = self._tiles("inputs", len(pictures), tiling.inputs)
        self._functions.input_tiles(*_addresses(pictures, tiles), self._of_inputs(len(pictures)))
        return tiles

    def output_tiles(self, pictures: Tensor) -> Tensor:
        """Return  A e Aᵀ  of the output tiles e."""
        tiles = self._tiles("outputs", len(pictures), self._tiling.outputs)
        self._functions.output_tiles(*_addresses(pictures, tiles), self._of_outputs(len(pictures)))
        return tiles

    def join_outputs(self, tiles: Tensor, pictures: Tensor) -> None:
        """Fill outputs with  Aᵀ m A  of the products m."""
        self._functions.join_outputs(*_addresses(tiles, pictures), self._of_outputs(len(pictures)))

    def add_inputs(self, tiles: Tensor, pictures: Tensor) -> None:
        """Fill inputs with sums of  B v Bᵀ  over the tiles v that a place lies in."""
        self._functions.add_inputs(*_addresses(tiles, pictures), self._of_inputs(len(pictures)))

    def _tiles(self, name: str, pictures: int, channels: int) -> Tensor:
        rows, columns = self._tiling.tiles
        return self._work.empty(name, IN * IN, pictures * rows * columns, channels)

    def _of_inputs(self, pictures: int) -> ctypes.Structure:
        tiling = self._tiling
        return self._shape(pictures, tiling.size, tiling.inputs, tiling.padding)

    def _of_outputs(self, pictures: int) -> ctypes.Structure:
        return self._shape(pictures, self._tiling.output_size, self._tiling.outputs, (0, 0))

    def _shape(
        self, pictures: int, size: tuple[int, int], channels: int, padding: tuple[int, int]
    ) -> ctypes.Structure:
        threads = torch.get_num_threads()
        return Tiled(pictures, *size, channels, *self._tiling.tiles, *padding, threads)


def _addresses(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(tensor.data_ptr() for tensor in tensors)
