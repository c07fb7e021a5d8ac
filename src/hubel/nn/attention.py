"""Soft attention: weights between 0 and 1 over maps, over places, and over frames in time.

attention   weights                      normalised by            shape of the weights
channel     one a map                    sigmoid                  (n, c)
spatial     one a place                  sigmoid                  (n, 1, *axes)
temporal    one a frame                  softmax over the frames  (n, frames)

Attention over scales and hard attention stand in `hubel.nn.selection`.
"""

from __future__ import annotations

from typing import Final, Literal, final

import torch
from torch import Tensor, nn

from hubel.errors import UsageError
from hubel.nn.convolution import Convolution

Squeeze = Literal["mean", "mean and max"]
SQUEEZES: Final[tuple[Squeeze, ...]] = ("mean", "mean and max")


@final
class ChannelAttention(nn.Module):
    """Weigh each map by what all maps say: squeeze-and-excitation.

    y[c] = s[c] x[c],  s = sigmoid(sum over pools of W2 relu(W1 pool(x) + b1) + b2)
    with pool(x) the mean of each map ("mean", the paper on squeeze-and-excitation) or its mean and
    its maximum, both through the same two layers ("mean and max", CBAM).
    (n, c, *axes), the shape stays. Between the layers are max(1, floor(c / reduction)) values.
    Errors: UsageError for a reduction below 1 and for another squeeze.
    Sources: hu2018squeeze, woo2018cbam.
    """

    def __init__(self, channels: int, *, reduction: int = 16, squeeze: Squeeze = "mean") -> None:
        super().__init__()
        if reduction < 1:
            raise UsageError(f"The reduction must be at least 1, not {reduction}.")
        if squeeze not in SQUEEZES:
            raise UsageError(
                f"Channel attention squeezes by mean or mean and max, not {squeeze!r}."
            )
        self.squeeze: Squeeze = squeeze
        self.reduce = nn.Linear(channels, max(1, channels // reduction))
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Linear(self.reduce.out_features, channels)

    def weights(self, inputs: Tensor) -> Tensor:
        """Return the weight of each map, (n, c)."""
        flat = inputs.flatten(2)
        excitation = self.expand(self.relu(self.reduce(flat.mean(2))))
        if self.squeeze == "mean and max":
            excitation = excitation + self.expand(self.relu(self.reduce(flat.amax(2))))
        return excitation.sigmoid()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the weighed maps."""
        weights = self.weights(inputs)
        return inputs * weights.reshape(*weights.shape, *[1] * (inputs.ndim - 2))


@final
class SpatialAttention(nn.Module):
    """Weigh each place by what the maps say there.

    y[t] = s[t] x[t],  s = sigmoid(conv([mean over maps of x; maximum over maps of x]))
    (n, c, *axes), the shape stays; one to three axes. The convolution has one odd kernel for all
    axes, equal padding, no bias and no normalisation (the paper's equation 3 has neither).
    Errors: UsageError for an even kernel. Source: woo2018cbam.
    """

    def __init__(self, *, kernel: int = 7, axes: int = 2) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise UsageError(f"Spatial attention needs an odd kernel, not {kernel}.")
        self.convolution = Convolution(2, 1, (kernel,) * axes, padding="equal", bias=False)

    def weights(self, inputs: Tensor) -> Tensor:
        """Return the weight of each place, (n, 1, *axes)."""
        seen = torch.cat([inputs.mean(1, keepdim=True), inputs.amax(1, keepdim=True)], 1)
        return self.convolution(seen).sigmoid()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the weighed maps."""
        return inputs * self.weights(inputs)


@final
class CBAM(nn.Module):
    """Channel attention by mean and maximum, then spatial attention: (n, c, h, w), the shape stays.

    Errors: UsageError for a reduction below 1 and for an even kernel. Source: woo2018cbam.
    """

    def __init__(self, channels: int, *, reduction: int = 16, kernel: int = 7) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction=reduction, squeeze="mean and max")
        self.spatial = SpatialAttention(kernel=kernel)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the weighed maps."""
        return self.spatial(self.channel(inputs))


@final
class TemporalAttention(nn.Module):
    """Sum the features of past frames, weighed by how much each says to the last one.

    y = sum over t of a[t] x[t],  a = softmax over t of e,  e[t] = v · tanh(W z[t] + U z[last] + b)
    with z[t] the mean of each map of frame t. (n, frames, c, *axes) becomes (n, c, *axes); any
    number of frames, oldest first; the last is one of them. This is the additive attention of
    translation with the last frame in the place of the decoder's state.
    Errors: UsageError for an input without maps and frames. Source: bahdanau2015neural.
    """

    def __init__(self, channels: int, *, hidden: int | None = None) -> None:
        super().__init__()
        width = channels if hidden is None else hidden
        self.each = nn.Linear(channels, width)
        self.last = nn.Linear(channels, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def weights(self, inputs: Tensor) -> Tensor:
        """Return the weight of each frame, (n, frames); they sum to 1."""
        if inputs.ndim < 3:
            raise UsageError(
                f"Temporal attention takes (n, frames, c, *axes), not {tuple(inputs.shape)}."
            )
        features = inputs.flatten(3).mean(3) if inputs.ndim > 3 else inputs
        scores = self.score(torch.tanh(self.each(features) + self.last(features[:, -1:])))
        return scores.squeeze(2).softmax(1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the weighted sum of the frames."""
        return torch.einsum("nt,nt...->n...", self.weights(inputs), inputs)
