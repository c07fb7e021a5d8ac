"""Inception-ResNet-v2 of Szegedy, Ioffe, Vanhoucke and Alemi (2017): as released, and as drawn.

part                  released           drawn (figure)           side
                      maps   times   maps   times
stem                   320             384          (3)            35
Inception-ResNet-A     320    10       384     5   (16)            35
Reduction-A           1088            1152          (7)            17
Inception-ResNet-B    1088    20      1152    10   (17)            17
Reduction-B           2080            2144         (18)             8
Inception-ResNet-C    2080    10      2144     5   (19)             8
convolution 1x1       1536               -                          8
head                  1536            2144         (15)             1

The weights that the authors released belong to another network than their paper draws. By default
this page builds the released one; `variant="paper"` builds the figures. The released network
leaves the paper in these places:
- Figure 3: its stem is that of Inception-v3 with one more Inception module (5x5 branch, mean).
- Figure 15: each module stands twice as often, 10, 20 and 10 times, not 5, 10 and 5.
- Figure 19: the last module has no ReLU after its sum, and its residual is not scaled.
- Figure 15: a convolution 1x1 to 1536 maps comes before the mean.
- Section 3.3, "between 0.1 and 0.3": residuals are scaled by 0.17, 0.10 and 0.20.
- It trains with an auxiliary classifier that the figures do not have: neither has this page, nor
  do the weights of timm hold it.
Reduction-A is that of table 1 (k = l = 256, m = n = 384) in both.

Two numbers of the figures cannot be: the linear convolution of figure 17 has 1154 filters where
its sum needs 1152 (384 + 384 + 384 of Reduction-A), and that of figure 19 has 2048 where its sum
needs 2144 (1152 + 384 + 288 + 320 of Reduction-B). Sums decide here. Where the paper is silent
(scales, bias of the linear convolutions, how weights are drawn) the drawn network is like the
released one. Figure 3 as in Inception-v4.
"""

from __future__ import annotations

from typing import Final, Literal

from torch import nn

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.architectures.inception_v4 import FIGURE_3
from hubel.errors import UsageError
from hubel.nn.inception import (
    Conv,
    Pool,
    Residuals,
    ResidualTable,
    Split,
    check_size,
    inception_resnet,
)

LEAST_SIZE: Final = 75
DROPOUT: Final = 0.2

RELEASED_STEM = (
    Conv(32, 3, 2, valid=True),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    Pool("max", 2, valid=True),
    Conv(80, 1),
    Conv(192, 3, valid=True),
    Pool("max", 2, valid=True),
    Split(
        (
            (Conv(96, 1),),
            (Conv(48, 1), Conv(64, 5)),
            (Conv(64, 1), Conv(96, 3), Conv(96, 3)),
            (Pool("average"), Conv(64, 1)),
        )
    ),
)

FIGURE_16 = Split(  # Inception-ResNet-A
    (
        (Conv(32, 1),),
        (Conv(32, 1), Conv(32, 3)),
        (Conv(32, 1), Conv(48, 3), Conv(64, 3)),
    )
)

FIGURE_7 = Split(  # Reduction-A
    (
        (Conv(384, 3, 2, valid=True),),
        (Conv(256, 1), Conv(256, 3), Conv(384, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

FIGURE_17 = Split(  # Inception-ResNet-B
    (
        (Conv(192, 1),),
        (Conv(128, 1), Conv(160, (1, 7)), Conv(192, (7, 1))),
    )
)

FIGURE_18 = Split(  # Reduction-B
    (
        (Conv(256, 1), Conv(384, 3, 2, valid=True)),
        (Conv(256, 1), Conv(288, 3, 2, valid=True)),
        (Conv(256, 1), Conv(288, 3), Conv(320, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

FIGURE_19 = Split(  # Inception-ResNet-C
    (
        (Conv(192, 1),),
        (Conv(192, 1), Conv(224, (1, 3)), Conv(256, (3, 1))),
    )
)

RELEASED = ResidualTable(
    stem=RELEASED_STEM,
    #           drawing    scale  times
    a=Residuals(FIGURE_16, 0.17, 10),
    reduction_a=FIGURE_7,
    b=Residuals(FIGURE_17, 0.10, 20),
    reduction_b=FIGURE_18,
    c=Residuals(FIGURE_19, 0.20, 9),
    last_scale=1.0,
    top=(Conv(1536, 1),),
)

PAPER = ResidualTable(
    stem=FIGURE_3,
    #           drawing    scale  times
    a=Residuals(FIGURE_16, 0.17, 5),
    reduction_a=FIGURE_7,
    b=Residuals(FIGURE_17, 0.10, 10),
    reduction_b=FIGURE_18,
    c=Residuals(FIGURE_19, 0.20, 5),
)

VARIANTS: Final = {"released": RELEASED, "paper": PAPER}


def build(
    *,
    outputs: int,
    channels: int,
    size: int,
    variant: Literal["released", "paper"] = "released",
) -> nn.Module:
    """Build Inception-ResNet-v2: (n, channels, s, s) becomes logits (n, outputs).

    `variant`: "released" as the published weights need it, "paper" as drawn in the figures.
    Errors: UsageError for a size below 75 or another variant. Source: szegedy2017inception.
    """
    check_size("inception_resnet_v2", size, LEAST_SIZE, "the last reduction")
    if variant not in VARIANTS:
        raise UsageError(f"inception_resnet_v2's variant is released or paper, not {variant!r}.")
    return inception_resnet(VARIANTS[variant], outputs=outputs, channels=channels, dropout=DROPOUT)


NETWORKS: Final = (
    Architecture(
        name="inception_resnet_v2",
        builder=build,
        least_size=LEAST_SIZE,
        design_size=299,
        params=55_843_464,
        macs=13_155_794_016,
        year=2016,
        source="szegedy2017inception",
        summary="Inception-ResNet-v2: wider Inception modules as scaled residuals",
        errors=PublishedErrors(
            top1=19.9,
            top5=4.9,
            data="ImageNet 2012 validation, without its blacklisted pictures",
            crops="single crop",
            source="szegedy2017inception, table 2",
        ),
        weights=(
            PublishedWeights(origin="timm:inception_resnet_v2.tf_in1k"),
            PublishedWeights(origin="timm:inception_resnet_v2.tf_ens_adv_in1k"),
        ),
    ),
)
