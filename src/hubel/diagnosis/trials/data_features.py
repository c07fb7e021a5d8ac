"""Simple features of pictures, which hold what no training has put there.

Whatever a network has or has not learned, these features stay the same: pixels at few pixels,
and histograms of the directions of edges (dalal2005). They do not change with a gain or an offset
of all pictures, nor with the order of channels for the edges, so that labels can be judged apart
from normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SIDE: Final = 28
"""Side that pictures are brought to, in pixels."""
CELL: Final = 4
"""Side of a cell of the histograms, in pixels: 7×7 cells."""
DIRECTIONS: Final = 8
"""Bins of the directions 0 to π of edges."""
FLAT: Final = 1e-3
"""Gradient below which there is no edge, in standard deviations of the pixels."""
PIXELS: Final = 14
"""Side of the pixels that are features themselves."""
COMPONENTS: Final = 64
"""Principal components that are kept."""
_BLOCK: Final = 32
"""Pictures whose histograms are made at a time: what they need stays in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Principal components of one set of pictures, to be used on another."""

    mean: NDArray[np.float64]
    basis: NDArray[np.float64]
    """(features, components), each column divided by the features' common scale."""

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project (n, features) to (n, components)."""
        return (values - self.mean) @ self.basis


def standardised(inputs: Tensor) -> Tensor:
    """Return (n, …) as float64 with mean 0 and standard deviation 1 a channel, over all pictures.

    What is not finite becomes the mean.
    """
    values = inputs.detach().to("cpu", torch.float64)
    if values.ndim < 3:
        values = values.reshape(len(values), 1, -1)
    finite = torch.isfinite(values)
    axes = (0, *range(2, values.ndim))
    number = finite.sum(axes, keepdim=True).clamp(min=1)
    clean = torch.where(finite, values, 0.0)
    mean = clean.sum(axes, keepdim=True) / number
    centred = torch.where(finite, values - mean, 0.0)
    deviation = (centred.square().sum(axes, keepdim=True) / number).sqrt()
    return centred / deviation.clamp(min=1e-12)


def described(inputs: Tensor) -> NDArray[np.float64]:
    """Return the raw features (n, features) of pictures (n, channels, height, width).

    Pixels at 14×14, and the histograms of edges, each family with mean square 1 over all pictures.
    Inputs of other ranks are their own features.
    """
    values = standardised(inputs)
    if values.ndim != 4:
        return values.reshape(len(values), -1).numpy()
    small = _resized(values, PIXELS).flatten(1)
    edges = torch.cat(
        [_edges(_resized(part.mean(1, keepdim=True), SIDE)) for part in values.split(_BLOCK)]
    )
    families = [part - part.mean(0) for part in (small, edges)]
    scaled = [part / part.square().sum(1).mean().sqrt().clamp(min=1e-12) for part in families]
    return torch.cat(scaled, dim=1).numpy()


def projection(values: NDArray[np.float64], components: int = COMPONENTS) -> Projection:
    """Return the projection onto the principal components that vary most."""
    mean = values.mean(axis=0)
    centred = values - mean
    if centred.shape[1] <= len(centred):
        _, vectors = np.linalg.eigh(centred.T @ centred)
        basis = vectors[:, ::-1][:, :components]
    else:
        _, vectors = np.linalg.eigh(centred @ centred.T)
        basis = centred.T @ vectors[:, ::-1][:, :components]
        basis = basis / np.maximum(np.linalg.norm(basis, axis=0), 1e-12)
    scale = float(np.sqrt(np.mean(np.sum((centred @ basis) ** 2, axis=1))))
    return Projection(mean, np.ascontiguousarray(basis) / max(scale, 1e-12))


def simple_features(inputs: Tensor) -> NDArray[np.float64]:
    """Return the features (n, ≤ COMPONENTS) of pictures among themselves."""
    values = described(inputs)
    return projection(values)(values)


def _resized(values: Tensor, side: int) -> Tensor:
    height, width = values.shape[-2:]
    if (height, width) == (side, side):
        return values
    if min(height, width) >= side:
        return F.adaptive_avg_pool2d(values, side)
    return F.interpolate(values, (side, side), mode="bilinear", antialias=True)


def _edges(values: Tensor) -> Tensor:
    """Return the square roots of histograms of directions (n, cells · DIRECTIONS).

    A gradient's length is shared among the two nearest bins; a picture's histograms have sum 1.
    """
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    # Flat places have no direction: what rounding leaves there is not an edge.
    length = (torch.hypot(across, down) - FLAT).clamp(min=0.0)
    place = torch.remainder(torch.atan2(down, across), torch.pi) / torch.pi * DIRECTIONS
    bins = torch.arange(DIRECTIONS).reshape(1, -1, 1, 1)
    apart = (place - bins).abs()
    share = (1.0 - torch.minimum(apart, DIRECTIONS - apart)).clamp(min=0.0)
    cells = F.avg_pool2d(share * length, CELL).flatten(1)
    return (cells / cells.sum(1, keepdim=True).clamp(min=1e-12)).sqrt()
