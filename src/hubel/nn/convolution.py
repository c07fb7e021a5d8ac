"""Convolution as mathematics has it, and cross-correlation, which the field calls convolution.

x      input    (n, inputs, *axes)
w      kernel   (outputs, inputs / groups, *taps), one to three axes
b      bias     (outputs,)

cross-correlation   y[o, t] = b[o] + sum over c, u of w[o, c, u] x[c, s t + d u - p]
true convolution    y[o, t] = b[o] + sum over c, u of w[o, c, u] x[c, s t + d (m - 1 - u) - p]

with stride s, dilation d, m taps, padding p before an axis; x is zero outside itself. They differ
by a turn of the kernel by 180 degrees, which a network that learns its kernel does not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.sizes import Padding, output_size, padding_amounts

CORRELATE: Final[dict[int, Callable[..., Tensor]]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def each_axis(value: int | tuple[int, ...], axes: int, name: str) -> tuple[int, ...]:
    """Return one number an axis: a single number stands for all axes.

    Errors: UsageError for another count of numbers.
    """
    numbers = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(numbers) != axes:
        raise UsageError(f"{name} needs one number or {axes}, one an axis, not {numbers}.")
    return numbers


def cross_correlation(
    inputs: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    *,
    padding: Padding = "narrow",
    stride: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Tensor:
    """Slide the kernel over the input and take inner products, without turning the kernel.

    (n, inputs, *axes) and (outputs, inputs / groups, *taps) give (n, outputs, *axes'), each axis'
    as `hubel.nn.sizes.output_size` says.
    Errors: UsageError where input and kernel do not have the same one to three axes, or the kernel
    finds no room. Source: dumoulin2016guide.
    """
    axes = kernel.ndim - 2
    if axes not in CORRELATE or inputs.ndim != kernel.ndim:
        raise UsageError(
            "Input (n, inputs, *axes) and kernel (outputs, inputs, *taps) need the same one to "
            f"three axes, not {tuple(inputs.shape)} and {tuple(kernel.shape)}."
        )
    strides = each_axis(stride, axes, "stride")
    dilations = each_axis(dilation, axes, "dilation")
    taps = tuple(kernel.shape[2:])
    for size, count, step, spread in zip(inputs.shape[2:], taps, strides, dilations, strict=True):
        output_size(size, count, padding=padding, stride=step, dilation=spread)
    around = [padding_amounts(padding, k, d) for k, d in zip(taps, dilations, strict=True)]
    symmetric = tuple(before for before, _ in around)
    if any(before != after for before, after in around):
        inputs = F.pad(inputs, [amount for pair in reversed(around) for amount in pair])
        symmetric = (0,) * axes
    return CORRELATE[axes](inputs, kernel, bias, strides, symmetric, dilations, groups)


def true_convolution(
    inputs: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    *,
    padding: Padding = "narrow",
    stride: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve as mathematics does: cross-correlation with the kernel turned by 180 degrees.

    Shapes and errors are those of `cross_correlation`. With wide padding and stride 1 it is
    commutative and associative. Source: dumoulin2016guide.
    """
    return cross_correlation(
        inputs,
        kernel.flip(tuple(range(2, kernel.ndim))),
        bias,
        padding=padding,
        stride=stride,
        dilation=dilation,
        groups=groups,
    )


@final
class Convolution(nn.Module):
    """A convolution of one to three axes whose padding has a name.

    (n, inputs, *axes) becomes (n, outputs, *axes'); the number of axes is that of `kernel`. Where
    `flip` is set it is a true convolution, else a cross-correlation. Weights and biases are drawn
    uniformly from +-1 / sqrt(fan-in), as torch's convolutions draw theirs.
    Errors: UsageError for a kernel of other than one to three axes, for channels that the groups
    do not divide, and for an input on which the kernel finds no room.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, ...],
        *,
        padding: Padding = "equal",
        stride: int | tuple[int, ...] = 1,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        flip: bool = False,
    ) -> None:
        super().__init__()
        axes = len(kernel)
        if axes not in CORRELATE:
            raise UsageError(f"A convolution has one to three axes, not a kernel {kernel}.")
        if inputs % groups or outputs % groups:
            raise UsageError(
                f"{groups} groups must divide the {inputs} input and the {outputs} output maps."
            )
        self.padding: Padding = padding
        self.stride = each_axis(stride, axes, "stride")
        self.dilation = each_axis(dilation, axes, "dilation")
        self.groups = groups
        self.flip = flip
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, *kernel))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        bound = self.weight[0].numel() ** -0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps."""
        convolve = true_convolution if self.flip else cross_correlation
        return convolve(
            inputs,
            self.weight,
            self.bias,
            padding=self.padding,
            stride=self.stride,
            dilation=self.dilation,
            groups=self.groups,
        )
