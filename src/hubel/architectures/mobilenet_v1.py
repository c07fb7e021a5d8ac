"""MobileNet of Howard and others (2017): depthwise separable convolutions, two multipliers.

Each row of table 1 after the first is a 3x3 convolution that filters every map alone (depthwise)
and a 1x1 convolution that mixes them (pointwise), with batch normalisation and ReLU6 after both.

The width multiplier is the argument `width`: every layer has that part of its maps, and at least 8
as in the released code. The resolution multiplier is the size of the pictures.

Deviations: ReLU6, as the released code has it (the paper's figure 3 says ReLU). The last depthwise
convolution has stride 1: table 1 prints 2, but also that its side stays 7. The paper is silent on
initialisation; weights are the released code's, normal with deviation 0.09, cut at two deviations.
Its dropout of 0.001 is left out; the paper has none.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from torch import nn

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError
from hubel.nn.normalised import conv_norm_activation


class Row(NamedTuple):
    """Equal depthwise separable convolutions, the first of which may have a stride."""

    maps: int
    repeats: int
    stride: int
    """Of the first one's depthwise convolution."""


STEM: Final = 32
"""Maps of the ordinary 3x3 convolution with stride 2 at the start."""
TABLE_1: Final = (
    #   maps  n  s
    Row(  64, 1, 1),
    Row( 128, 2, 2),
    Row( 256, 2, 2),
    Row( 512, 6, 2),
    Row(1024, 2, 2),
)  # fmt: skip
LEAST_MAPS: Final = 8
DEVIATION: Final = 0.09


def separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return a depthwise separable convolution: (n, inputs, h, w) to (n, outputs, h', w').

    It costs 9 inputs h' w' + inputs outputs h' w' multiply-accumulates: 1 / outputs + 1 / 9 of an
    ordinary convolution (equation 5). Source: howard2017mobilenets (section 3.1).
    """
    return nn.Sequential(
        conv_norm_activation(inputs, inputs, 3, stride=stride, groups=inputs, activation=nn.ReLU6),
        conv_norm_activation(inputs, outputs, 1, activation=nn.ReLU6),
    )


def build(*, outputs: int, channels: int, size: int, width: float = 1.0) -> nn.Module:  # noqa: ARG001
    """Build MobileNet: (n, channels, size, size) becomes (n, outputs).

    `width`: the width multiplier; the paper has 1, 0.75, 0.5 and 0.25.
    Errors: UsageError where it is not above 0. Source: howard2017mobilenets.
    """
    if not width > 0:
        raise UsageError(f"mobilenet_v1's width multiplier must be above 0, not {width}.")
    maps = scaled(STEM, width)
    layers: list[nn.Module] = [
        conv_norm_activation(channels, maps, 3, stride=2, activation=nn.ReLU6)
    ]
    for row in TABLE_1:
        for repeat in range(row.repeats):
            wanted = scaled(row.maps, width)
            layers.append(separable(maps, wanted, row.stride if repeat == 0 else 1))
            maps = wanted
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=nn.Sequential(*layers),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(maps, outputs),
        )
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION)
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return network


def scaled(maps: int, width: float) -> int:
    """Return the number of maps under the width multiplier."""
    return max(int(maps * width), LEAST_MAPS)


NETWORKS: Final = (
    Architecture(
        name="mobilenet_v1",
        builder=build,
        least_size=1,
        design_size=224,
        params=4_231_976,
        macs=568_740_352,
        year=2017,
        source="howard2017mobilenets",
        summary="MobileNet: depthwise separable convolutions; width and resolution multipliers",
        errors=PublishedErrors(
            top1=29.4,
            top5=None,
            data="ImageNet 2012 validation",
            crops="not stated",
            source="howard2017mobilenets, table 4",
        ),
        weights=(PublishedWeights(origin="timm:mobilenetv1_100.ra4_e3600_r224_in1k"),),
    ),
)
