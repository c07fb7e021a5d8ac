"""ShuffleNet of Zhang and others (2018): grouped 1x1 convolutions and a shuffle between them.

A unit (figure 2) narrows its maps to a quarter (1x1, grouped), shuffles them so that each group of
the next convolution sees every group of the last, filters each map alone (3x3 depthwise) and widens
them again (1x1, grouped); its input is added. With stride 2 its averaged input (3x3) is put beside
the result, which then has so many maps fewer.

part     side  stride  units    maps with groups = 1     2     3     4     8
conv1     112       2      -                     24    24    24    24    24   3x3
pool       56       2      -                                                  3x3, maximum
stage2     28       2      4                    144   200   240   272   384
stage3     14       2      8                    288   400   480   544   768
stage4      7       2      4                    576   800   960  1088  1536
mean, full connection                          1000

The first 1x1 convolution of stage 2 is not grouped, as its 24 maps are few (section 3.2).
`scale` is the s of the paper's "ShuffleNet s x": so many times the maps, rounded up so that groups
and quarters come out whole. The paper does not say what becomes of conv1: 24 maps from scale 1 on,
48 from scale 2 on and 12 below 1 give its 13, 38, 292 and 524 million multiply-accumulates for
scales 0.25, 0.5, 1.5 and 2 with 3 groups.

Table 1's complexities of 143, 140, 137, 133 and 137 million are those of the convolutions; the full
connection at the end has 0.6 to 1.5 million more.
Deviation: the paper is silent on initialisation; weights are he2015delving's (variance 2 / fan_in).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from hubel.architectures.architecture import Architecture, PublishedErrors
from hubel.errors import UsageError
from hubel.nn.normalised import conv_norm_activation


class Stage(NamedTuple):
    """One stage of table 1: units, the first with stride 2, and maps by the number of groups."""

    units: int
    maps: dict[int, int]


STEM: Final = 24
"""Maps of the 3x3 convolution with stride 2 at the start."""
TABLE_1: Final = (
    #     units    g=1     g=2     g=3      g=4      g=8
    Stage(    4, {1: 144, 2: 200, 3: 240, 4:  272, 8:  384}),
    Stage(    8, {1: 288, 2: 400, 3: 480, 4:  544, 8:  768}),
    Stage(    4, {1: 576, 2: 800, 3: 960, 4: 1088, 8: 1536}),
)  # fmt: skip
GROUPS: Final = tuple(TABLE_1[0].maps)
BOTTLENECK: Final = 4
"""A unit narrows to this part of its output maps (section 3.2)."""
LEAST_SCALE: Final = 0.1
"""Below it, the first unit of stage 2 would have no maps to add to its input's."""


class ShuffleUnit(nn.Module):
    """One unit of figure 2: (n, inputs, h, w) to (n, maps, h, w), or half the side by stride 2.

    Source: zhang2018shufflenet.
    """

    def __init__(self, inputs: int, maps: int, *, stride: int, groups: int, first: int) -> None:
        """Make the unit; `first` is the number of groups of its first convolution."""
        super().__init__()
        narrow = maps // BOTTLENECK
        wide = maps - inputs if stride == 2 else maps
        self.branch = nn.Sequential(
            conv_norm_activation(inputs, narrow, 1, groups=first),
            nn.ChannelShuffle(groups),
            conv_norm_activation(narrow, narrow, 3, stride=stride, groups=narrow, activation=None),
            conv_norm_activation(narrow, wide, 1, groups=groups, activation=None),
        )
        self.shortcut = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the unit's maps."""
        outputs = self.branch(inputs)
        if self.shortcut is None:
            return self.relu(inputs + outputs)
        return self.relu(torch.cat((self.shortcut(inputs), outputs), dim=1))


def features(channels: int, groups: int, scale: float) -> nn.Sequential:
    """Return conv1 to stage4: (n, channels, s, s) becomes (n, maps of stage4, s / 32, s / 32)."""
    maps = _multiple(STEM * 2 ** max(-1, math.floor(math.log2(scale))), groups)
    layers: list[nn.Module] = [
        conv_norm_activation(channels, maps, 3, stride=2),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    for stage in TABLE_1:
        wanted = _multiple(stage.maps[groups] * scale, BOTTLENECK * groups)
        for unit in range(stage.units):
            stride = 2 if unit == 0 else 1
            first = 1 if stage is TABLE_1[0] and unit == 0 else groups
            layers.append(ShuffleUnit(maps, wanted, stride=stride, groups=groups, first=first))
            maps = wanted
    return nn.Sequential(*layers)


def build(
    *,
    outputs: int,
    channels: int,
    size: int,  # noqa: ARG001
    groups: int = 3,
    scale: float = 1.0,
) -> nn.Module:
    """Build ShuffleNet: (n, channels, size, size) becomes (n, outputs).

    `groups`: of the 1x1 convolutions, 1, 2, 3, 4 or 8; `scale`: multiplies the maps.
    Errors: UsageError for other groups, and a scale below 0.1.
    Source: zhang2018shufflenet.
    """
    if groups not in GROUPS:
        raise UsageError(f"shufflenet_v1's groups are 1, 2, 3, 4 or 8, not {groups!r}.")
    if scale < LEAST_SCALE:
        raise UsageError(f"shufflenet_v1's scale must be at least {LEAST_SCALE}, not {scale}.")
    maps = _multiple(TABLE_1[-1].maps[groups] * scale, BOTTLENECK * groups)
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=features(channels, groups, scale),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(maps, outputs),
        )
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return network


def _multiple(maps: float, divisor: int) -> int:
    """Return the least multiple of `divisor` that is not below `maps`."""
    return math.ceil(maps / divisor) * divisor


NETWORKS: Final = (
    Architecture(
        name="shufflenet_v1",
        builder=build,
        least_size=1,
        design_size=224,
        params=1_865_728,
        macs=137_460_672,
        year=2018,
        source="zhang2018shufflenet",
        summary="ShuffleNet: grouped 1x1 convolutions, 3 groups, shuffled",
        errors=PublishedErrors(
            top1=32.6,
            top5=None,
            data="ImageNet 2012 validation",
            crops="single crop",
            source="zhang2018shufflenet, table 2",
        ),
    ),
)
