"""Inception-v4 of Szegedy, Ioffe, Vanhoucke and Alemi (2017), figures 3 to 9.

part          figure  side   maps   times
stem             3      35    384
Inception-A      4      35    384     4
Reduction-A      7      17   1024           k = 192, l = 224, m = 256, n = 384 (table 1)
Inception-B      5      17   1024     7
Reduction-B      8       8   1536
Inception-C      6       8   1536     3
head             9       1   1536           mean, dropout (keep 0.8), linear

Where this page leaves the paper, it follows the authors' released code, whose weights it takes:
- Figure 3 draws the last convolution of the stem (192 V) without a stride; it halves the side.
- Figures 3, 5 and 6 and the released code pair the same kernels, not always in the same order: in
  the stem 1x7 comes before 7x1, in the longest branch of Inception-B 7x1 comes first, and in that
  of Inception-C 3x1 comes before 1x3. No count depends on it.
- The released code trains with an auxiliary classifier that the figures do not have: neither has
  this page, nor do published weights hold it.
The paper does not say how weights are drawn: here as in the released code, with variance
2 / fan-in, the linear ones with 2 / (fan-in + fan-out).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from torch import nn

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.nn.inception import (
    Conv,
    Pool,
    Split,
    chain,
    check_size,
    concatenation,
    head,
    initialise_by_variance,
)

LEAST_SIZE: Final = 75
DROPOUT: Final = 0.2

FIGURE_3 = (  # stem
    Conv(32, 3, 2, valid=True),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    Split(
        (
            (Pool("max", 2, valid=True),),
            (Conv(96, 3, 2, valid=True),),
        )
    ),
    Split(
        (
            (Conv(64, 1), Conv(96, 3, valid=True)),
            (Conv(64, 1), Conv(64, (1, 7)), Conv(64, (7, 1)), Conv(96, 3, valid=True)),
        )
    ),
    Split(
        (
            (Conv(192, 3, 2, valid=True),),
            (Pool("max", 2, valid=True),),
        )
    ),
)

FIGURE_4 = Split(  # Inception-A
    (
        (Conv(96, 1),),
        (Conv(64, 1), Conv(96, 3)),
        (Conv(64, 1), Conv(96, 3), Conv(96, 3)),
        (Pool("average"), Conv(96, 1)),
    )
)

FIGURE_7 = Split(  # Reduction-A
    (
        (Conv(384, 3, 2, valid=True),),
        (Conv(192, 1), Conv(224, 3), Conv(256, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

FIGURE_5 = Split(  # Inception-B
    (
        (Conv(384, 1),),
        (Conv(192, 1), Conv(224, (1, 7)), Conv(256, (7, 1))),
        (
            *(Conv(192, 1), Conv(192, (7, 1)), Conv(224, (1, 7))),
            *(Conv(224, (7, 1)), Conv(256, (1, 7))),
        ),
        (Pool("average"), Conv(128, 1)),
    )
)

FIGURE_8 = Split(  # Reduction-B
    (
        (Conv(192, 1), Conv(192, 3, 2, valid=True)),
        (Conv(256, 1), Conv(256, (1, 7)), Conv(320, (7, 1)), Conv(320, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

FAN = Split(((Conv(256, (1, 3)),), (Conv(256, (3, 1)),)))
FIGURE_6 = Split(  # Inception-C
    (
        (Conv(256, 1),),
        (Conv(384, 1), FAN),
        (Conv(384, 1), Conv(448, (3, 1)), Conv(512, (1, 3)), FAN),
        (Pool("average"), Conv(256, 1)),
    )
)

FIGURE_9 = (  # after the stem: name, drawing, times
    ("inception_a", FIGURE_4, 4),
    ("reduction_a", FIGURE_7, 1),
    ("inception_b", FIGURE_5, 7),
    ("reduction_b", FIGURE_8, 1),
    ("inception_c", FIGURE_6, 3),
)


def build(*, outputs: int, channels: int, size: int) -> nn.Module:
    """Build Inception-v4: (n, channels, s, s) becomes logits (n, outputs).

    Errors: UsageError for a size below 75. Source: szegedy2017inception.
    """
    check_size("inception_v4", size, LEAST_SIZE, "the last reduction")
    stem, maps = chain(channels, FIGURE_3)
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    for name, figure, times in FIGURE_9:
        for number in range(1, times + 1):
            layers[f"{name}_{number}"], maps = concatenation(maps, figure)
    layers.update(head(maps, outputs, DROPOUT))
    network = nn.Sequential(layers)
    initialise_by_variance(network)
    for layer in network.children():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return network


NETWORKS: Final = (
    Architecture(
        name="inception_v4",
        builder=build,
        least_size=LEAST_SIZE,
        design_size=299,
        params=42_679_816,
        macs=12_253_974_624,
        year=2016,
        source="szegedy2017inception",
        summary="Inception-v4: uniform Inception modules on three grids, with their reductions",
        errors=PublishedErrors(
            top1=20.0,
            top5=5.0,
            data="ImageNet 2012 validation, without its blacklisted pictures",
            crops="single crop",
            source="szegedy2017inception, table 2",
        ),
        weights=(PublishedWeights(origin="timm:inception_v4.tf_in1k"),),
    ),
)
