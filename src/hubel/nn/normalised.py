"""The block of convolution, normalisation and activation that most papers after 2014 build with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

Kernel: TypeAlias = int | tuple[int, int]


def conv_norm_activation(
    inputs: int,
    outputs: int,
    kernel: Kernel,
    *,
    stride: int = 1,
    padding: Kernel | None = None,
    groups: int = 1,
    norm: Callable[..., nn.Module] | None = nn.BatchNorm2d,
    activation: Callable[..., nn.Module] | None = nn.ReLU,
) -> nn.Module:
    """Return `torchvision.ops.Conv2dNormActivation`: activation(norm(w * x)).

    (n, inputs, h, w) becomes (n, outputs, h', w'), h' = floor((h + 2 p - kernel) / stride) + 1;
    `padding` None is floor((kernel - 1) / 2), which keeps the side at stride 1. The convolution has
    a bias only where `norm` is None.
    """
    from torchvision.ops import Conv2dNormActivation  # here: importing it takes two seconds

    return Conv2dNormActivation(
        inputs,
        outputs,
        kernel,
        stride,
        padding,
        groups=groups,
        norm_layer=norm,
        activation_layer=activation,
    )
