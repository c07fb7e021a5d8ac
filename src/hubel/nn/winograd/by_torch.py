"""The transforms of Winograd's convolution, made of PyTorch's copies and matrix products."""

from __future__ import annotations

from functools import cache
from typing import Final

import torch
from torch import Tensor

from hubel.nn.winograd.tiling import IN, OUT, TAPS, Tiling, Workspace

_B_T: Final = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G: Final = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_A_T: Final = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


@cache
def matrices(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return Bᵀ ⊗ Bᵀ (36, 36), G ⊗ G (36, 9) and Aᵀ ⊗ Aᵀ (16, 36): they act on flattened tiles."""
    one_axis = (torch.tensor(rows, dtype=torch.float64) for rows in (_B_T, _G, _A_T))
    input_, kernel, output = (torch.kron(m, m).to(device, dtype) for m in one_axis)
    return input_, kernel, output


class ByTorch:
    """The four transforms of groups of pictures, (n, height, width, channels).

    Tiles are (36, n · tiles, channels).
    """

    def __init__(self, tiling: Tiling, work: Workspace, like: Tensor) -> None:
        """Compute in the type and on the device of `like`."""
        self._tiling, self._work = tiling, work
        self._to_input, _, self._to_output = matrices(like.dtype, like.device)

    def input_tiles(self, pictures: Tensor) -> Tensor:
        """Return  Bᵀ d B  of the overlapping input tiles d."""
        tiling, work = self._tiling, self._work
        (height, width), (above, left) = tiling.size, tiling.padding
        rows, columns = tiling.tiles
        sides = rows * OUT + TAPS - 1, columns * OUT + TAPS - 1
        around = work.zeros("around", len(pictures), *sides, tiling.inputs)
        around[:, above : above + height, left : left + width] = pictures
        picture, line, point, _ = around.stride()
        shape = IN, IN, len(pictures), rows, columns, tiling.inputs
        strides = line, point, picture, OUT * line, OUT * point, 1
        tiles = work.empty("cut inputs", *shape).copy_(around.as_strided(shape, strides))
        tiles = tiles.view(IN * IN, -1)
        given = torch.mm(self._to_input, tiles, out=work.empty("inputs", *tiles.shape))
        return given.view(IN * IN, -1, tiling.inputs)

    def output_tiles(self, pictures: Tensor) -> Tensor:
        """Return  A e Aᵀ  of the output tiles e."""
        tiling, work = self._tiling, self._work
        (height, width), (rows, columns) = tiling.output_size, tiling.tiles
        count, outputs = len(pictures), tiling.outputs
        if (height, width) != (rows * OUT, columns * OUT):
            whole = work.zeros("whole", count, rows * OUT, columns * OUT, outputs)
            whole[:, :height, :width] = pictures
            pictures = whole
        cut = pictures.reshape(count, rows, OUT, columns, OUT, outputs)
        tiles = work.empty("cut outputs", OUT, OUT, count, rows, columns, outputs)
        tiles = tiles.copy_(cut.permute(2, 4, 0, 1, 3, 5)).view(OUT * OUT, -1)
        given = work.empty("outputs", IN * IN, tiles.shape[1])
        return torch.mm(self._to_output.t(), tiles, out=given).view(IN * IN, -1, outputs)

    def join_outputs(self, tiles: Tensor, pictures: Tensor) -> None:
        """Fill outputs with  Aᵀ m A  of the products m."""
        tiling, work = self._tiling, self._work
        (height, width), (rows, columns) = tiling.output_size, tiling.tiles
        count, outputs = len(pictures), tiling.outputs
        tiles = tiles.view(IN * IN, -1)
        given = torch.mm(self._to_output, tiles, out=work.empty("cut", OUT**2, tiles.shape[1]))
        cut = given.view(OUT, OUT, count, rows, columns, outputs).permute(2, 3, 0, 4, 1, 5)
        if (height, width) == (rows * OUT, columns * OUT):
            pictures.view(cut.shape).copy_(cut)
            return
        whole = work.empty("joined", count, rows * OUT, columns * OUT, outputs)
        whole.view(cut.shape).copy_(cut)
        pictures.copy_(whole[:, :height, :width])

    def add_inputs(self, tiles: Tensor, pictures: Tensor) -> None:
        """Fill inputs with sums of  B v Bᵀ  over the tiles v that a place lies in."""
        tiling, work = self._tiling, self._work
        (height, width), (above, left) = tiling.size, tiling.padding
        (rows, columns), inputs = tiling.tiles, tiling.inputs
        shared, count = IN - OUT, len(pictures)
        tiles = tiles.view(IN * IN, -1)
        cut = torch.mm(self._to_input.t(), tiles, out=work.empty("inputs", *tiles.shape))
        cut = cut.view(IN, IN, count, rows, columns, inputs)
        around = work.empty("sums", count, rows + 1, OUT, columns + 1, OUT, inputs)
        around[:, rows] = 0
        around[:, :rows, :, columns] = 0
        places = around.permute(2, 4, 0, 1, 3, 5)
        places[:, :, :, :rows, :columns] = cut[:OUT, :OUT]
        places[:shared, :, :, 1:, :columns] += cut[OUT:, :OUT]
        places[:, :shared, :, :rows, 1:] += cut[:OUT, OUT:]
        places[:shared, :shared, :, 1:, 1:] += cut[OUT:, OUT:]
        whole = around.view(count, (rows + 1) * OUT, (columns + 1) * OUT, inputs)
        pictures.copy_(whole[:, above : above + height, left : left + width])
