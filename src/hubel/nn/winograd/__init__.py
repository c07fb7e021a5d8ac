"""Winograd's convolution of 3 × 3 taps: the same sums with a quarter of the multiplications.

d      tile of the input    (6, 6), neighbours overlap by 2
g      kernel               (3, 3)
y      tile of the output   (4, 4)

y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A                                  F(4 × 4, 3 × 3)

A tile takes 36 multiplications a pair of channels instead of 144. Summed over the input channels,
the products are 36 products of matrices, one for each place in the transformed tile. The gradients
are those of the same formula, transform by transform, so that they cost a quarter as well:

∂L/∂d = B [ (G g Gᵀ) ⊙ (A ∂L/∂y Aᵀ) ] Bᵀ,     ∂L/∂g = Gᵀ [ (A ∂L/∂y Aᵀ) ⊙ (Bᵀ d B) ] G

The transforms are compiled C where there is a compiler (`by_c`), else PyTorch's products of
matrices (`by_torch`); the products over the channels are PyTorch's either way. Only the rounding
differs from the direct sum: on layers of ResNet-18 in float32, a relative error of 2e-6 to 4e-6
instead of 0.3e-6 to 1.1e-6 (norms of output and both gradients against float64).

Source: lavin2016fast.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hubel.errors import UsageError
from hubel.nn.native import functions
from hubel.nn.winograd.by_c import ByC, has_c
from hubel.nn.winograd.by_torch import ByTorch, matrices
from hubel.nn.winograd.tiling import IN, TAPS, Tiling, Workspace


def winograd_conv2d(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    padding: tuple[int, int] = (1, 1),
    *,
    native: bool = True,
) -> Tensor:
    """Return the cross-correlation with 3 × 3 taps and stride 1, by Winograd's algorithm.

    (n, inputs, h, w), (outputs, inputs, 3, 3) and (outputs,) give (n, outputs, h + 2 p_h - 2,
    w + 2 p_w - 2) in channels-last order. It can be differentiated once. Without `native`
    nothing is compiled.
    Errors: UsageError for other taps, or an input on which the kernel finds no room. Source:
    lavin2016fast.
    """
    if tuple(weight.shape[2:]) != (TAPS, TAPS) or weight.shape[1] != inputs.shape[1]:
        raise UsageError(
            "Winograd's convolution needs a kernel (outputs, inputs, 3, 3) with the input's "
            f"channels, not {tuple(weight.shape)} for an input of {tuple(inputs.shape)}."
        )
    sides = [side + 2 * p for side, p in zip(inputs.shape[2:], padding, strict=True)]
    if min(sides) < TAPS:
        raise UsageError(
            f"A kernel of 3×3 finds no room on an input of {inputs.shape[2]}×{inputs.shape[3]} "
            f"with padding {padding[0]}×{padding[1]}."
        )
    outputs: Tensor = _Winograd.apply(inputs, weight, bias, padding, native)
    return outputs


class _Transforms(Protocol):
    """What `ByTorch` and `ByC` have."""

    def input_tiles(self, pictures: Tensor) -> Tensor: ...
    def output_tiles(self, pictures: Tensor) -> Tensor: ...
    def join_outputs(self, tiles: Tensor, pictures: Tensor) -> None: ...
    def add_inputs(self, tiles: Tensor, pictures: Tensor) -> None: ...


def _transforms(tiling: Tiling, work: Workspace, like: Tensor, *, native: bool) -> _Transforms:
    plain = like.dtype == torch.float32 and like.device.type == "cpu"
    if native and plain and has_c(tiling.inputs, tiling.outputs):
        return ByC(tiling, work, functions())
    return ByTorch(tiling, work, like)


class _Winograd(torch.autograd.Function):
    """The convolution and its gradients, a group of pictures at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        padding: tuple[int, int],
        native: bool,
    ) -> Tensor:
        """Return y, and keep the input and the transformed kernel."""
        tiling = Tiling(
            pictures=len(inputs),
            size=(inputs.shape[2], inputs.shape[3]),
            padding=padding,
            inputs=weight.shape[1],
            outputs=weight.shape[0],
        )
        _, to_kernel, _ = matrices(weight.dtype, weight.device)
        kernel = to_kernel @ weight.permute(2, 3, 0, 1).reshape(TAPS * TAPS, -1)
        kernel = kernel.view(IN * IN, tiling.outputs, tiling.inputs)
        pictures = inputs.permute(0, 2, 3, 1).contiguous()
        # Not a view, which what follows could not change in place.
        outputs = torch.empty(
            (len(inputs), tiling.outputs, *tiling.output_size),
            dtype=inputs.dtype,
            device=inputs.device,
            memory_format=torch.channels_last,
        )
        joined = outputs.permute(0, 2, 3, 1)
        work = Workspace(weight)
        transforms = _transforms(tiling, work, weight, native=native)
        for group in tiling.groups():
            tiles = transforms.input_tiles(pictures[group])
            products = work.empty("products", *tiles.shape[:2], tiling.outputs)
            torch.bmm(tiles, kernel.transpose(1, 2), out=products)
            transforms.join_outputs(products, joined[group])
        if bias is not None:
            joined += bias
        ctx.save_for_backward(inputs, kernel)
        ctx.tiling, ctx.native = tiling, native
        return outputs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of input, weight and bias, where they are asked for."""
        inputs, kernel = ctx.saved_tensors
        tiling: Tiling = ctx.tiling
        of_input, of_weight, of_bias, *_ = ctx.needs_input_grad
        _, to_kernel, _ = matrices(kernel.dtype, kernel.device)
        pictures = inputs.permute(0, 2, 3, 1).contiguous()
        above = gradient.permute(0, 2, 3, 1).contiguous()
        below = torch.empty_like(pictures) if of_input else pictures
        summed = torch.empty_like(kernel)
        work = Workspace(kernel)
        transforms = _transforms(tiling, work, kernel, native=ctx.native)
        for group in tiling.groups():
            errors = transforms.output_tiles(above[group])
            if of_weight:
                tiles = transforms.input_tiles(pictures[group])
                kept = float(group.start > 0)
                summed.baddbmm_(errors.transpose(1, 2), tiles, beta=kept)
            if of_input:
                sources = work.empty("sources", *errors.shape[:2], tiling.inputs)
                transforms.add_inputs(torch.bmm(errors, kernel, out=sources), below[group])
        weights = None
        if of_weight:
            taps = to_kernel.t() @ summed.view(IN * IN, -1)
            weights = taps.view(TAPS, TAPS, tiling.outputs, tiling.inputs).permute(2, 3, 0, 1)
        return (
            below.permute(0, 3, 1, 2) if of_input else None,
            weights,
            above.sum((0, 1, 2)) if of_bias else None,
            None,
            None,
        )
