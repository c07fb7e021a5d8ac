"""MobileNetV2 of Sandler and others (2018): inverted residuals with linear bottlenecks.

A block widens its few maps t times (1x1), filters each map alone (3x3 depthwise) and narrows them
again (1x1) without an activation, which would destroy what few maps hold. Where shape and number
of maps stay, the input is added.

The width multiplier is the argument `width`; maps are rounded to multiples of 8, by at most a
tenth downwards, and the last convolution never gets narrower than 1280 (released code).

Deviations: the paper is silent on initialisation; weights are the released code's, normal with
deviation 0.09, cut at two deviations; so is the dropout of 0.2. Table 4 says 3.4 million
parameters: these are 3,470,760 weights and biases, and batch normalisation has 34,112 more.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from torch import Tensor, nn

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError
from hubel.nn.normalised import conv_norm_activation


class Row(NamedTuple):
    """Equal blocks, the first of which may have a stride."""

    expansion: int
    maps: int
    repeats: int
    stride: int


STEM: Final = 32
"""Maps of the ordinary 3x3 convolution with stride 2 at the start."""
TABLE_2: Final = (
    #   t    c  n  s
    Row(1,  16, 1, 1),
    Row(6,  24, 2, 2),
    Row(6,  32, 3, 2),
    Row(6,  64, 4, 2),
    Row(6,  96, 3, 1),
    Row(6, 160, 3, 2),
    Row(6, 320, 1, 1),
)  # fmt: skip
HEAD: Final = 1280
"""Maps of the 1x1 convolution at the end."""
DIVISOR: Final = 8
DEVIATION: Final = 0.09


class InvertedResidual(nn.Module):
    """narrow(filter(widen(x))), plus x where the shape stays.

    (n, inputs, h, w) becomes (n, maps, h / stride, w / stride), rounded up.
    Source: sandler2018inverted (table 1, figure 3b).
    """

    def __init__(self, inputs: int, maps: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(conv_norm_activation(inputs, wide, 1, activation=nn.ReLU6))
        layers += [
            conv_norm_activation(wide, wide, 3, stride=stride, groups=wide, activation=nn.ReLU6),
            conv_norm_activation(wide, maps, 1, activation=None),
        ]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == maps

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the block's maps."""
        outputs = self.layers(inputs)
        return inputs + outputs if self.adds else outputs


def build(*, outputs: int, channels: int, size: int, width: float = 1.0) -> nn.Module:  # noqa: ARG001
    """Build MobileNetV2: (n, channels, size, size) becomes (n, outputs).

    `width`: the width multiplier; the paper has 0.35 to 1.4.
    Errors: UsageError where it is not above 0. Source: sandler2018inverted.
    """
    if not width > 0:
        raise UsageError(f"mobilenet_v2's width multiplier must be above 0, not {width}.")
    maps = scaled(STEM, width)
    layers: list[nn.Module] = [
        conv_norm_activation(channels, maps, 3, stride=2, activation=nn.ReLU6)
    ]
    for row in TABLE_2:
        for repeat in range(row.repeats):
            wanted = scaled(row.maps, width)
            stride = row.stride if repeat == 0 else 1
            layers.append(InvertedResidual(maps, wanted, expansion=row.expansion, stride=stride))
            maps = wanted
    last = scaled(HEAD, max(1.0, width))
    layers.append(conv_norm_activation(maps, last, 1, activation=nn.ReLU6))
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=nn.Sequential(*layers),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            dropout=nn.Dropout(0.2),
            classifier=nn.Linear(last, outputs),
        )
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION)
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return network


def scaled(maps: int, width: float) -> int:
    """Return the multiple of 8 nearest to maps * width, at least 8 and nine tenths of it."""
    wanted = maps * width
    nearest = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest if nearest >= 0.9 * wanted else nearest + DIVISOR


NETWORKS: Final = (
    Architecture(
        name="mobilenet_v2",
        builder=build,
        least_size=1,
        design_size=224,
        params=3_504_872,
        macs=300_774_272,
        year=2018,
        source="sandler2018inverted",
        summary="MobileNetV2: inverted residuals with linear bottlenecks",
        errors=PublishedErrors(
            top1=28.0,
            top5=None,
            data="ImageNet 2012 validation",
            crops="not stated",
            source="sandler2018inverted, table 4",
        ),
        weights=(
            PublishedWeights(origin="torchvision:mobilenet_v2.IMAGENET1K_V2"),
            PublishedWeights(origin="torchvision:mobilenet_v2.IMAGENET1K_V1"),
        ),
    ),
)
