"""PCA and ZCA whitening of pictures, or of their tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LARGEST_WHOLE: Final = 3_072
"""Pictures of up to so many values (32×32×3) are whitened whole, larger ones in tiles."""

TILE: Final = 8
"""Side of a tile, in pixels."""

EPSILON: Final = 1e-2
"""Regularisation, as a share of the mean eigenvalue."""


def tile_side(channels: int, size: int) -> int:
    """Return the side of the tiles that are whitened: the picture's own where it is small."""
    if channels * size * size <= LARGEST_WHOLE:
        return size
    return max(1, min(TILE, size, math.isqrt(LARGEST_WHOLE // channels)))


def to_tiles(pictures: Tensor, side: int) -> Tensor:
    """Cut (N, C, S, S) into (N, tiles, C·side·side); edges that do not fit are replicated."""
    missing = -pictures.shape[-1] % side
    if missing:
        pictures = F.pad(pictures, (0, missing, 0, missing), mode="replicate")
    return F.pixel_unshuffle(pictures, side).flatten(2).transpose(1, 2)


def from_tiles(tiles: Tensor, side: int, channels: int, size: int) -> Tensor:
    """Put (N, tiles, C·side·side) together to (N, C, size, size)."""
    across = -(-size // side)
    maps = tiles.transpose(1, 2).reshape(-1, channels * side * side, across, across)
    return F.pixel_shuffle(maps, side)[:, :, :size, :size]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Whitening:
    """A whitening y = W·(x - μ) of pictures in 0 to 1, or of each of their tiles.

    With the covariance Σ = U·Λ·Uᵀ of the training pictures and ε = EPSILON · mean(Λ):

        PCA:  W = (Λ + ε)^(-1/2) · Uᵀ          ZCA:  W = U · (Λ + ε)^(-1/2) · Uᵀ

    so that whitened training pictures have covariance Λ/(Λ + ε), in the basis of U: identity in
    every direction that varies. Pictures of up to LARGEST_WHOLE values are one vector. Larger
    ones are cut into tiles of TILE × TILE pixels that do not overlap; all tiles share μ and W and
    go back to their places. The shape is kept. With PCA the values are coefficients, not
    pixels: largest variance first. Source: bell1997 (ZCA).
    """

    kind: Literal["pca", "zca"]
    mean: Tensor
    """Float32 (values,)."""
    matrix: Tensor
    """Float32 (values, values)."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """Whiten float32 (N, C, S, S)."""
        channels, size = pictures.shape[1], pictures.shape[2]
        side = tile_side(channels, size)
        mean, matrix = self.mean.to(pictures.device), self.matrix.to(pictures.device)
        tiles = (to_tiles(pictures, side) - mean) @ matrix.T
        return from_tiles(tiles, side, channels, size)


class Moments:
    """Sums of vectors of whole numbers 0 to 255 and of their products; exact, in any order."""

    def __init__(self, values: int) -> None:
        self.count = 0
        self.sums = np.zeros(values)
        self.products = np.zeros((values, values))

    def add(self, vectors: NDArray[np.uint8]) -> None:
        """Add uint8 vectors (n, values): every partial sum is a whole number below 2⁵³."""
        numbers = vectors.astype(np.float64)
        self.count += len(numbers)
        self.sums += numbers.sum(axis=0)
        self.products += numbers.T @ numbers

    def whitening(self, kind: Literal["pca", "zca"]) -> Whitening:
        """Return the whitening of what was added, for values in 0 to 1."""
        mean = self.sums / self.count
        covariance = (self.products / self.count - np.outer(mean, mean)) / 255.0**2
        spread, basis = np.linalg.eigh(covariance)
        spread, basis = spread[::-1].clip(min=0.0), basis[:, ::-1]
        # An eigenvector's sign is free; its largest entry is made positive.
        largest = np.abs(basis).argmax(axis=0)
        basis = basis * np.sign(basis[largest, np.arange(len(largest))])
        # Pictures without any variance: their only whitening is 0, whatever the scale.
        epsilon = EPSILON * float(spread.mean()) or 1.0
        matrix = basis.T / np.sqrt(spread + epsilon)[:, None]
        if kind == "zca":
            matrix = basis @ matrix
            matrix = (matrix + matrix.T) / 2
        return Whitening(
            kind=kind,
            mean=torch.from_numpy((mean / 255.0).astype(np.float32)),
            matrix=torch.from_numpy(np.ascontiguousarray(matrix, np.float32)),
        )
