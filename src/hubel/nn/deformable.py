"""Convolution that learns where to look: torchvision's operator with its branch of offsets."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torchvision.ops import DeformConv2d


@final
class DeformableConvolution(nn.Module):
    """A convolution whose taps are moved by offsets that another convolution finds.

    y[t] = sum over taps u of w[u] m[u, t] x(t + u + offset[u, t]), with bilinear interpolation of x
    between its values and zero outside. `modulated` (version 2) also weighs the taps by
    m = sigmoid(·); otherwise m = 1. The branch is a convolution with the same kernel, stride,
    padding and dilation, and starts with zero weights: offsets of 0 and, where modulated, m = 1/2,
    so that a new layer gives what the plain convolution gives, or half of it.
    (n, inputs, h, w) becomes (n, outputs, h', w') with  h' = floor((h + 2 p - e) / stride) + 1,
    padding p = floor(e / 2), extent e = dilation (kernel - 1) + 1, and w' in the same way.
    The gradient jumps where an offset passes a whole number. ONNX has the operator (DeformConv)
    from opset 19, and ONNX Runtime runs it from 1.25.
    Sources: dai2017deformable, zhu2019deformable (modulated).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        modulated: bool = False,
    ) -> None:
        super().__init__()
        padding = (dilation * (kernel - 1) + 1) // 2
        self.taps = kernel * kernel
        self.modulated = modulated
        branches = self.taps * (3 if modulated else 2)
        self.branch = nn.Conv2d(inputs, branches, kernel, stride, padding, dilation)
        self.convolution = DeformConv2d(
            inputs, outputs, kernel, stride, padding, dilation, groups, bias=bias
        )
        for parameter in self.branch.parameters():
            nn.init.zeros_(parameter)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps."""
        found = self.branch(inputs)
        offsets = found[:, : 2 * self.taps]
        mask = found[:, 2 * self.taps :].sigmoid() if self.modulated else None
        return self.convolution(inputs, offsets, mask)
