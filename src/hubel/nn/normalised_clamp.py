"""Batch normalisation and the clamp after it in one, by hubel's functions in C.

y = min(max(γ (x - μ) / σ + β, low), high),      σ² = mean (x - μ)² + ε

over pictures and places of a channel; ReLU has the bounds 0 and infinity, ReLU6 0 and 6. With
g = ∂L/∂y where low < y < high, else 0, N places and x̂ = (x - μ) / σ:

∂L/∂β = Σ g,     ∂L/∂γ = Σ g x̂,     ∂L/∂x = γ / σ (g - ∂L/∂β / N - x̂ ∂L/∂γ / N)

Forward and backward, activations are read or written 8 times. Sums are taken in float over 256
places, and over these sums in double, so that the result is near to the exact one.

Source: ioffe2015batch.
"""

from __future__ import annotations

import math
from ctypes import byref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hubel.errors import UsageError
from hubel.nn.native import LANES, Task, address, functions, library

Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-math.inf, math.inf)


@dataclass(slots=True, eq=False)
class Normalisation:
    """What a layer of batch normalisation has; running statistics are changed in their place."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor | None
    running_variance: Tensor | None
    momentum: float
    epsilon: float


def can_normalise(inputs: Tensor, layer: Normalisation) -> bool:
    """Return whether the functions in C can normalise `inputs`.

    They can (n, channels, h, w) in float32 and channels-last order on a processor, with a multiple
    of 16 channels, and of two values a channel or more; all that the layer has must fit to it.
    """
    channels = inputs.shape[1] if inputs.ndim == 4 else 0
    if not channels or channels % LANES or inputs.numel() <= channels or library() is None:
        return False
    if not inputs.is_contiguous(memory_format=torch.channels_last) or _is_foreign(inputs):
        return False
    statistics = (layer.running_mean, layer.running_variance)
    of_layer = [layer.weight, layer.bias, *(one for one in statistics if one is not None)]
    return len(of_layer) in (2, 4) and not any(
        one.shape != (channels,) or not one.is_contiguous() or _is_foreign(one) for one in of_layer
    )


def _is_foreign(tensor: Tensor) -> bool:
    return tensor.dtype != torch.float32 or tensor.device.type != "cpu"


def normalised_clamp(inputs: Tensor, layer: Normalisation, bounds: Bounds = UNBOUNDED) -> Tensor:
    """Return the batch-normalised and clamped `inputs`, of their shape and order.

    It can be differentiated once. Errors: UsageError where `can_normalise` says no. Source:
    ioffe2015batch.
    """
    if not can_normalise(inputs, layer):
        raise UsageError(
            "This normalisation needs a C compiler, and activations in float32 and channels-last "
            f"order with a multiple of {LANES} channels, not {tuple(inputs.shape)} of "
            f"{inputs.dtype}."
        )
    outputs: Tensor = _NormalisedClamp.apply(inputs, layer.weight, layer.bias, layer, bounds)
    return outputs


def clamp_later(outputs: Tensor, bounds: Bounds) -> None:
    """Give the unclamped result of `normalised_clamp` bounds, in its place, as if it had had them.

    Or take them away, with `UNBOUNDED`.
    """
    computed: Any = outputs.grad_fn
    inputs, _, _, factors = computed.saved_tensors
    computed.bounds = bounds
    scale, offset = factors[2], factors[3]
    with torch.no_grad():
        functions().scale_and_clamp(
            *map(address, (inputs, scale, offset, outputs)), byref(_task(inputs, bounds))
        )


def _task(inputs: Tensor, bounds: Bounds, momentum: float = 0.0, epsilon: float = 0.0) -> Task:
    channels = inputs.shape[1]
    places = inputs.numel() // channels
    return Task(places, channels, torch.get_num_threads(), *bounds, momentum, epsilon)


def _require(status: int) -> None:
    if status:
        raise MemoryError("there is no memory for the sums of a batch normalisation")


class _NormalisedClamp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, layer: Normalisation, bounds: Bounds
    ) -> Tensor:
        """Return y, and keep x with each channel's mean, 1 / deviation, scale and offset."""
        outputs = torch.empty_like(inputs)
        factors = inputs.new_empty(4, inputs.shape[1])
        statistics = layer.running_mean, layer.running_variance
        _require(
            functions().normalise(
                *map(address, (inputs, weight, bias, *statistics, factors, outputs)),
                byref(_task(inputs, bounds, layer.momentum, layer.epsilon)),
            )
        )
        ctx.save_for_backward(inputs, weight, bias, factors)
        ctx.bounds = bounds
        return outputs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, γ and β."""
        inputs, weight, bias, factors = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        below, of_weight, of_bias = map(torch.empty_like, (inputs, weight, bias))
        _require(
            functions().normalise_back(
                *map(address, (inputs, gradient, factors, below, of_weight, of_bias)),
                byref(_task(inputs, ctx.bounds)),
            )
        )
        return below, of_weight, of_bias, None, None
