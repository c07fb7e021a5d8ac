"""The networks of Simonyan and Zisserman (2015): 3x3 convolutions only, 11 to 19 layers deep.

Table 1, a column a network: A is VGG-11, B is VGG-13, D is VGG-16, E is VGG-19. Five stages of
convolutions 3x3 with padding 1, a ReLU after each, pooling 2x2 after each stage, then full
connections of 4096, 4096 and 1000 units with dropout 0.5 after the first two.

stage   maps   side   convolutions in A  B  D  E
1         64    224                   1  2  2  2
2        128    112                   1  2  2  2
3        256     56                   2  2  3  4
4        512     28                   2  2  3  4
5        512     14                   2  2  3  4

Two columns are left out: A-LRN, which the paper found useless, and C, whose third layers are 1x1.
The names with `_bn` have batch normalisation after every convolution, which is younger than these
networks (ioffe2015batch); the paper has no numbers for them.

Initialisation: the paper trained A from random weights and began the deeper ones with A's layers
(section 3.1); the same section then says that the initialisation of glorot2010understanding makes
this needless, so it is taken here for all. Biases are 0.

Deviation: other sides than 224 are averaged to 7x7 before the full connections. The paper reads
larger pictures by turning these into convolutions (section 3.2).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from torch import nn

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError


class Stage(NamedTuple):
    """One stage of table 1: its maps, and its convolutions by the network's depth."""

    maps: int
    convolutions: dict[int, int]


TABLE_1: Final = (
    #      maps   A       B      D      E
    Stage(  64, {11: 1, 13: 2, 16: 2, 19: 2}),
    Stage( 128, {11: 1, 13: 2, 16: 2, 19: 2}),
    Stage( 256, {11: 2, 13: 2, 16: 3, 19: 4}),
    Stage( 512, {11: 2, 13: 2, 16: 3, 19: 4}),
    Stage( 512, {11: 2, 13: 2, 16: 3, 19: 4}),
)  # fmt: skip
DEPTHS: Final = tuple(TABLE_1[0].convolutions)
SIDE: Final = 7
UNITS: Final = 4096


def features(channels: int, depth: int, *, bn: bool) -> nn.Sequential:
    """Return the five stages: (n, channels, s, s) becomes (n, 512, s / 32, s / 32)."""
    layers: list[nn.Module] = []
    maps = channels
    for stage in TABLE_1:
        for _ in range(stage.convolutions[depth]):
            layers.append(nn.Conv2d(maps, stage.maps, 3, padding=1))
            if bn:
                layers.append(nn.BatchNorm2d(stage.maps))
            layers.append(nn.ReLU(inplace=True))
            maps = stage.maps
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers)


def classifier(outputs: int) -> nn.Sequential:
    """Return the full connections: (n, 25088) becomes (n, outputs)."""
    return nn.Sequential(
        nn.Linear(TABLE_1[-1].maps * SIDE * SIDE, UNITS),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(UNITS, UNITS),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(UNITS, outputs),
    )


def build(*, outputs: int, channels: int, size: int, depth: int, bn: bool = False) -> nn.Module:  # noqa: ARG001
    """Build a VGG network: (n, channels, size, size) becomes (n, outputs).

    `depth`: layers with weights, 11, 13, 16 or 19; `bn`: batch normalisation after convolutions.
    Errors: UsageError for another depth. Source: simonyan2015very.
    """
    if depth not in DEPTHS:
        raise UsageError(f"vgg's depth is 11, 13, 16 or 19, not {depth!r}.")
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=features(channels, depth, bn=bn),
            avgpool=nn.AdaptiveAvgPool2d(SIDE),
            flatten=nn.Flatten(),
            classifier=classifier(outputs),
        )
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return network


class Known(NamedTuple):
    """What is known of one depth; errors at one test scale, in percent, table 3."""

    depth: int
    params: int
    params_bn: int
    macs: int
    top1: float
    top5: float
    scales: str
    """Short side in training, and in the test."""


KNOWN: Final = (
    #     depth      params   with BN            macs  top1  top5   scales
    Known(   11, 132_863_336, 132_868_840,  7_609_090_048, 29.6, 10.4, "256, 256"),
    Known(   13, 133_047_848, 133_053_736, 11_308_466_176, 28.7,  9.9, "256, 256"),
    Known(   16, 138_357_544, 138_365_992, 15_470_264_320, 25.6,  8.1, "256 to 512, 384"),
    Known(   19, 143_667_240, 143_678_248, 19_632_062_464, 25.5,  8.0, "256 to 512, 384"),
)  # fmt: skip


def _architecture(known: Known, *, bn: bool) -> Architecture:
    """Return what is known of a depth, with or without batch normalisation."""
    name = f"vgg{known.depth}" + ("_bn" if bn else "")
    errors = PublishedErrors(
        top1=known.top1,
        top5=known.top5,
        data="ImageNet 2012 validation",
        crops=f"dense, short side in training and test {known.scales}",
        source="simonyan2015very, table 3",
    )
    return Architecture(
        name=name,
        builder=build,
        variant={"depth": known.depth, "bn": bn},
        least_size=32,
        design_size=224,
        params=known.params_bn if bn else known.params,
        macs=known.macs,
        year=2014,
        source="simonyan2015very",
        summary=f"VGG-{known.depth}: 3x3 convolutions only"
        + (", with batch normalisation" if bn else ""),
        errors=None if bn else errors,
        weights=(PublishedWeights(origin=f"torchvision:{name}.IMAGENET1K_V1"),),
    )


NETWORKS: Final = tuple(_architecture(known, bn=bn) for known in KNOWN for bn in (False, True))
