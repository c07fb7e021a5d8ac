"""Attention that chooses: between sizes of kernel (softly), and of places (hard).

Soft attention is a mean by weights, and its gradient is exact. Hard attention is one-hot (or
k-hot): nothing but what is selected goes on, and as a choice has no gradient, one is estimated.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from hubel.errors import UsageError


@final
class SelectiveKernel(nn.Module):
    """Attention over scales: branches with kernels of several sizes, mixed map by map.

    u[i] = relu(bn(conv_i(x))),  z = relu(bn(W mean(sum over i of u[i]))),
    y[c] = sum over i of a[i, c] u[i, c],  a[., c] = softmax over i of (A[i] z)[c]
    (n, inputs, h, w) becomes (n, outputs, h', w') with  h' = floor((h - 1) / stride) + 1, and w' in
    the same way. Branch i is a 3x3 convolution with dilation i + 1, which sees 3, 5, 7 … pixels, in
    `groups` groups; z has max(outputs / reduction, 32) values. The normalisation of z needs more
    than one picture a batch in training.
    Errors: UsageError for fewer than two branches and for maps that the groups do not divide.
    Source: li2019selective.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        branches: int = 2,
        stride: int = 1,
        groups: int = 32,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        if branches < 2:
            raise UsageError(f"Selection needs at least two branches, not {branches}.")
        if inputs % groups or outputs % groups:
            raise UsageError(
                f"{groups} groups must divide the {inputs} input and the {outputs} output maps."
            )
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride, reach, reach, groups=groups, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )
            for reach in range(1, branches + 1)
        )
        compact = max(outputs // reduction, 32)
        self.fuse = nn.Sequential(
            nn.Linear(outputs, compact, bias=False),
            nn.BatchNorm1d(compact),
            nn.ReLU(inplace=True),
        )
        self.select = nn.Linear(compact, branches * outputs, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the mixed maps."""
        seen = torch.stack([branch(inputs) for branch in self.branches], 1)
        scores = self.select(self.fuse(seen.sum(1).mean((2, 3))))
        weights = scores.unflatten(1, (len(self.branches), -1)).softmax(1)
        return (seen * weights[..., None, None]).sum(1)


def straight_through_selection(
    scores: Tensor, keep: int = 1, *, temperature: float = 1.0, sample: bool = False
) -> Tensor:
    """Return a mask of zeros and `keep` ones over the last axis, with the gradient of a softmax.

    Forward: 1 at the `keep` largest scores (of equal ones those that torch.topk takes), else 0.
    Backward: the gradient goes through  softmax(scores / temperature)  as if that had been the
    mask; this estimator is biased. Where `sample` is set, Gumbel noise -log(-log u) is added to the
    scores first: with keep = 1 each place is then drawn with its probability softmax(scores).
    (..., m), the shape stays.
    Errors: UsageError unless 1 <= keep <= m and the temperature is positive.
    Sources: bengio2013estimating, jang2017categorical.
    """
    places = scores.shape[-1]
    if not 1 <= keep <= places:
        raise UsageError(
            f"Of {places} places at least 1 and at most {places} are kept, not {keep}."
        )
    if temperature <= 0:
        raise UsageError(f"The temperature must be positive, not {temperature}.")
    if sample:
        least = torch.finfo(scores.dtype).tiny
        uniform = torch.rand_like(scores).clamp_min(least)
        scores = scores - (-uniform.log()).clamp_min(least).log()
    soft = (scores / temperature).softmax(-1)
    chosen = scores.topk(keep, dim=-1, sorted=False).indices
    hard = torch.zeros_like(scores).scatter(-1, chosen, 1.0)
    return hard + (soft - soft.detach())


@final
class HardAttention(nn.Module):
    """Keep the maps at a few places and zeros elsewhere, by scores that are learned.

    y[t] = m[t] x[t],  m = straight_through_selection(w · x[t]), (n, c, *axes), the shape stays.
    In training the places are sampled (Gumbel noise from torch's generator), in evaluation they are
    those of the largest scores. The gradient to x is exact for the mask that was drawn, apart from
    the way through the scores, which is estimated.
    Errors: UsageError where `keep` is below 1 or above the number of places, or the temperature is
    not positive. Sources: xu2015show, bengio2013estimating.
    """

    def __init__(self, channels: int, keep: int = 1, *, temperature: float = 1.0) -> None:
        super().__init__()
        self.keep = keep
        self.temperature = temperature
        self.score = nn.Linear(channels, 1, bias=False)

    def mask(self, inputs: Tensor) -> Tensor:
        """Return the mask of zeros and ones, (n, 1, *axes)."""
        scores = self.score(inputs.flatten(2).transpose(1, 2)).squeeze(2)
        mask = straight_through_selection(
            scores, self.keep, temperature=self.temperature, sample=self.training
        )
        return mask.reshape(inputs.shape[0], 1, *inputs.shape[2:])

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps at the selected places."""
        return inputs * self.mask(inputs)
