"""Pooling by other norms and over the whole picture, pooling that can be undone, and resizing."""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.errors import UsageError, look_up
from hubel.nn.convolution import each_axis

GlobalKind = Literal["max", "mean", "l2"]
GLOBAL: Final[tuple[GlobalKind, ...]] = ("max", "mean", "l2")
ResizeMode = Literal["nearest", "bilinear"]


def overlapping_max_pooling(kernel: int = 3, stride: int = 2) -> nn.MaxPool2d:
    """Return torch's max-pooling with windows that overlap: stride below kernel.

    (n, c, h, w) becomes (n, c, h', w') with  h' = floor((h - kernel) / stride) + 1. The defaults
    are AlexNet's.
    Errors: UsageError where the windows would not overlap.
    Source: krizhevsky2012imagenet (section 3.4).
    """
    if not 1 <= stride < kernel:
        raise UsageError(
            f"Windows of {kernel} overlap with a stride from 1 to {kernel - 1}, not {stride}."
        )
    return nn.MaxPool2d(kernel, stride)


def l2_pooling(kernel: int = 2, stride: int | None = None) -> nn.LPPool2d:
    """Return torch's pooling by the Euclidean norm:  y = sqrt(sum of x^2 over the window).

    (n, c, h, w) becomes (n, c, h', w') with  h' = floor((h - kernel) / stride) + 1; where `stride`
    is None it is the kernel. The norm is that of the sum, not of the mean: times the kernel's side
    of the root mean square. Negative values count by their square. In a window of zeros, where the
    norm has no derivative, the gradient is 0. There is no ceil_mode here: with it torch scales the
    clipped windows at the border as if they were whole, which is no norm.
    Source: sermanet2012convolutional.
    """
    return nn.LPPool2d(2.0, kernel, stride)


@final
class GlobalPooling(nn.Module):
    """One number a map: its maximum, mean or Euclidean norm. (n, c, *axes) becomes (n, c).

    The gradient of the maximum is shared equally by equal maxima; that of the norm is x / norm, and
    0 where all values are 0.
    Errors: UsageError for another kind. Source: lin2014network (mean).
    """

    def __init__(self, kind: GlobalKind = "mean") -> None:
        super().__init__()
        self.kind: GlobalKind = look_up({name: name for name in GLOBAL}, kind, "global pooling")

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one number a map."""
        flat = inputs.flatten(2)
        match self.kind:
            case "max":
                return flat.amax(2)
            case "mean":
                return flat.mean(2)
            case "l2":
                return torch.linalg.vector_norm(flat, dim=2)


class Pooled(NamedTuple):
    """What max-pooling keeps so that it can be undone."""

    values: Tensor
    """The maxima, (n, c, *axes')."""
    places: Tensor
    """Where each stood in its flattened input map, int64, (n, c, *axes')."""
    size: tuple[int, ...]
    """The axes of the input."""


@final
class MaxPoolingWithPlaces(nn.Module):
    """Max-pooling of one to three axes that remembers where the maxima stood.

    (n, c, *axes) becomes `Pooled`, each axis' = floor((axis - kernel) / stride) + 1; where `stride`
    is None it is the kernel. Of equal maxima the first in row order is kept.
    Errors: UsageError for an input of other than one to three axes. Source: zeiler2014visualizing.
    """

    def __init__(self, kernel: int = 2, stride: int | None = None) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = kernel if stride is None else stride

    def forward(self, inputs: Tensor) -> Pooled:
        """Return the maxima, their places and the size of the input."""
        size = tuple(inputs.shape[2:])
        match len(size):
            case 1:
                pool = F.max_pool1d
            case 2:
                pool = F.max_pool2d
            case 3:
                pool = F.max_pool3d
            case axes:
                raise UsageError(f"Max-pooling takes (n, c, *axes) with 1 to 3 axes, not {axes}.")
        values, places = pool(inputs, self.kernel, self.stride, return_indices=True)
        return Pooled(values, places, size)


@final
class MaxUnpooling(nn.Module):
    """Put values back to where the maxima stood, and zeros elsewhere.

    `Pooled` becomes (n, c, *size) of the input that was pooled, whatever its size: the remainder
    that a stride lost comes back as zeros. Where windows overlap and share a maximum their values
    are added, so that unpooling is the transpose of pooling: it is how an error goes back through
    max-pooling. torch's nn.MaxUnpool2d keeps one of them instead; without overlap both agree.
    Sources: zeiler2014visualizing, noh2015learning.
    """

    def forward(self, pooled: Pooled) -> Tensor:
        """Return the values at their places."""
        values, places, size = pooled
        flat = values.new_zeros(*values.shape[:2], math.prod(size))
        return flat.scatter_add(2, places.flatten(2), values.flatten(2)).unflatten(2, size)


@final
class Resize(nn.Module):
    """Stretch or shrink pictures of maps to `size`, or by the factor `scale`.

    (n, c, h, w) becomes (n, c, *size), or (n, c, floor(h scale), floor(w scale)). Pixels are
    squares: output pixel i reads the input at  (i + 1/2) h / h' - 1/2  ("nearest": the nearest
    centre; "bilinear": the mean of the neighbours by distance, the border repeated). torch's own
    mode "nearest" reads at  floor(i h / h')  instead, half a pixel to the side. Shrinking does not
    smooth first.
    Errors: UsageError unless exactly one of `size` and `scale` is given, for another mode, and for
    a scale that is not positive.
    """

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        *,
        scale: float | None = None,
        mode: ResizeMode = "bilinear",
    ) -> None:
        super().__init__()
        if (size is None) == (scale is None):
            raise UsageError("Resize takes either a size or a scale.")
        if scale is not None and scale <= 0:
            raise UsageError(f"The scale of Resize must be positive, not {scale}.")
        self.size = None if size is None else each_axis(size, 2, "size")
        self.scale = scale
        self.mode = look_up({"nearest": "nearest-exact", "bilinear": "bilinear"}, mode, "mode")

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the resized maps."""
        return F.interpolate(
            inputs,
            self.size,
            self.scale,
            mode=self.mode,
            align_corners=False if self.mode == "bilinear" else None,
            recompute_scale_factor=None if self.scale is None else True,
        )
