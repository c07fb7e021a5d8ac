"""Inception-ResNet-v1 of Szegedy, Ioffe, Vanhoucke and Alemi (2017), figures 7 and 10 to 15.

part                  figure  side   maps   times
stem                      14    35    256
Inception-ResNet-A        10    35    256     5
Reduction-A                7    17    896           k = 192, l = 192, m = 256, n = 384 (table 1)
Inception-ResNet-B        11    17    896    10
Reduction-B               12     8   1792
Inception-ResNet-C        13     8   1792     5
head                      15     1   1792           mean, dropout (keep 0.8), linear

What the paper leaves open is taken from the authors' released code of Inception-ResNet-v2, their
only released network of this kind: residuals are scaled by 0.17, 0.10 and 0.20 (section 3.3 says
"between 0.1 and 0.3"), the linear 1x1 convolutions have a bias and no normalisation, and the way
weights are drawn. Networks of this name for faces differ from the figures (one without ReLU at the
end and an embedding, among others): their weights do not fit.
"""

from __future__ import annotations

from typing import Final

from torch import nn

from hubel.architectures.architecture import Architecture, PublishedErrors
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

FIGURE_14 = (  # stem
    Conv(32, 3, 2, valid=True),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    Pool("max", 2, valid=True),
    Conv(80, 1),
    Conv(192, 3, valid=True),
    Conv(256, 3, 2, valid=True),
)

FIGURE_10 = Split(  # Inception-ResNet-A; then linear 1x1 (256)
    (
        (Conv(32, 1),),
        (Conv(32, 1), Conv(32, 3)),
        (Conv(32, 1), Conv(32, 3), Conv(32, 3)),
    )
)

FIGURE_7 = Split(  # Reduction-A
    (
        (Conv(384, 3, 2, valid=True),),
        (Conv(192, 1), Conv(192, 3), Conv(256, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

FIGURE_11 = Split(  # Inception-ResNet-B; then linear 1x1 (896)
    (
        (Conv(128, 1),),
        (Conv(128, 1), Conv(128, (1, 7)), Conv(128, (7, 1))),
    )
)

FIGURE_12 = Split(  # Reduction-B
    (
        (Conv(256, 1), Conv(384, 3, 2, valid=True)),
        (Conv(256, 1), Conv(256, 3, 2, valid=True)),
        (Conv(256, 1), Conv(256, 3), Conv(256, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

FIGURE_13 = Split(  # Inception-ResNet-C; then linear 1x1 (1792)
    (
        (Conv(192, 1),),
        (Conv(192, 1), Conv(192, (1, 3)), Conv(192, (3, 1))),
    )
)

FIGURE_15 = ResidualTable(
    stem=FIGURE_14,
    #           drawing    scale  times
    a=Residuals(FIGURE_10, 0.17, 5),
    reduction_a=FIGURE_7,
    b=Residuals(FIGURE_11, 0.10, 10),
    reduction_b=FIGURE_12,
    c=Residuals(FIGURE_13, 0.20, 5),
)


def build(*, outputs: int, channels: int, size: int) -> nn.Module:
    """Build Inception-ResNet-v1: (n, channels, s, s) becomes logits (n, outputs).

    Errors: UsageError for a size below 75. Source: szegedy2017inception.
    """
    check_size("inception_resnet_v1", size, LEAST_SIZE, "the last reduction")
    return inception_resnet(FIGURE_15, outputs=outputs, channels=channels, dropout=DROPOUT)


NETWORKS: Final = (
    Architecture(
        name="inception_resnet_v1",
        builder=build,
        least_size=LEAST_SIZE,
        design_size=299,
        params=22_756_328,
        macs=6_206_361_696,
        year=2016,
        source="szegedy2017inception",
        summary="Inception-ResNet-v1: Inception modules as scaled residuals, the cost of v3",
        errors=PublishedErrors(
            top1=21.3,
            top5=5.5,
            data="ImageNet 2012 validation, without its blacklisted pictures",
            crops="single crop",
            source="szegedy2017inception, table 2",
        ),
    ),
)
