"""Clamping in place, with the gradient taken from the result.

y = min(max(x, low), high),      ∂L/∂x = ∂L/∂y where low < y < high, else 0

low < y < high holds exactly where low < x < high does, so nothing of x needs to be kept. PyTorch's
in-place `hardtanh_`, which ReLU6 is, copies x for its gradient: for each ReLU6 of a MobileNet v2 a
pass through the memory more, and a third of its activations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def clamp_in_place(inputs: Tensor, low: float, high: float) -> Tensor:
    """Clamp `inputs`, of any shape, in place, and return it; it can be differentiated once.

    Values and gradients are those of `torch.nn.functional.hardtanh(…, inplace=True)`, bit by bit.
    """
    outputs: Tensor = _Clamp.apply(inputs, low, high)
    return outputs


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, low: float, high: float) -> Tensor:
        """Return y, in the place of x."""
        torch.ops.aten.hardtanh_(inputs, low, high)
        ctx.mark_dirty(inputs)
        ctx.save_for_backward(inputs)
        ctx.bounds = low, high
        return inputs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, None, None]:
        """Return the gradient of x."""
        (outputs,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, outputs, *ctx.bounds), None, None
