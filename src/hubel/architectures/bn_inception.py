"""BN-Inception, also called Inception v2, of Ioffe and Szegedy (2015), figure 5.

part                side   maps
conv 7x7/2           112     64   separable: 8 maps a channel, then 1x1 (appendix)
max 3x3/2             56     64
conv 3x3              56    192   after 64 of 1x1
max 3x3/2             28    192
3a, 3b                28    256, 320
3c, stride 2          14    576
4a, 4b, 4c, 4d        14    576
4e, stride 2           7   1024
5a, 5b                 7   1024
mean, linear           1   1024   no dropout (section 4.2.1)

Figure 5 contradicts itself, and this page decides as the authors' released code does:
- 4c and 4d project the pooled maps to 128, which makes 608 maps, but their size is printed as 576.
  The size is right if the projection is 96: so here, and only then does 4e end with its 1024.
- 3c and 4e have stride 2, but are printed with the side of their input, 28 and 14.
- Section 4.2 counts 13.6 million parameters. These columns give 11.2 million; with the plain 7x7
  and with the projections of 128 they give 11.3 million.
The appendix has 5x5 replaced by two 3x3, of equally many maps; "double 3x3 reduce" is the 1x1
before them. In 3c and 4e there is no 1x1 branch, and pooled maps pass through without projection.

The released code trains with dropout of 20%, which the paper removes; sides that stride 2 does not
divide are rounded up here as there, by equal padding around the map. The paper does not say how
weights are drawn: here as the released code draws most of them, with variance 2 / fan-in (for 1x1
it has deviations of 0.09 and 0.1; normalisation takes the difference away in the first pass).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal, NamedTuple

from torch import nn

from hubel.architectures.architecture import Architecture, PublishedErrors
from hubel.nn.inception import (
    EPSILON,
    Branch,
    Conv,
    Pool,
    Split,
    chain,
    concatenation,
    head,
    initialise_by_variance,
)

MULTIPLIER: Final = 8


class Row(NamedTuple):
    """One module of figure 5, in maps; no projection means pass-through and stride 2."""

    name: str
    n1x1: int
    reduce3x3: int
    n3x3: int
    reduce_double: int
    double3x3: int
    pool: Literal["average", "max"]
    proj: int | None


FIGURE_5: Final = (
    #       #1x1  #3x3 reduce  #3x3  double reduce  double 3x3  pool  proj
    Row("3a", 64, 64, 64, 64, 96, "average", 32),
    Row("3b", 64, 64, 96, 64, 96, "average", 64),
    Row("3c", 0, 128, 160, 64, 96, "max", None),
    Row("4a", 224, 64, 96, 96, 128, "average", 128),
    Row("4b", 192, 96, 128, 96, 128, "average", 128),
    Row("4c", 160, 128, 160, 128, 160, "average", 96),  # printed: 128
    Row("4d", 96, 128, 192, 160, 192, "average", 96),  # printed: 128
    Row("4e", 0, 128, 192, 192, 256, "max", None),
    Row("5a", 352, 192, 320, 160, 224, "average", 128),
    Row("5b", 352, 192, 320, 192, 224, "max", 128),
)


def branches(row: Row) -> Split:
    """Return the module of a row."""
    stride = 2 if row.proj is None else 1
    n1x1: Branch = (Conv(row.n1x1, 1),)
    n3x3: Branch = (Conv(row.reduce3x3, 1), Conv(row.n3x3, 3, stride))
    double: Branch = (
        Conv(row.reduce_double, 1),
        Conv(row.double3x3, 3),
        Conv(row.double3x3, 3, stride),
    )
    if row.proj is None:
        return Split((n3x3, double, (Pool(row.pool, stride),)))
    return Split((n1x1, n3x3, double, (Pool(row.pool), Conv(row.proj, 1))))


def first_convolution(channels: int) -> nn.Sequential:
    """Return the separable 7x7/2: `MULTIPLIER` maps a channel, joined by 1x1 to 64."""
    width = MULTIPLIER * channels
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            depthwise=nn.Conv2d(channels, width, 7, 2, 3, groups=channels, bias=False),
            pointwise=nn.Conv2d(width, 64, 1, bias=False),
            bn=nn.BatchNorm2d(64, eps=EPSILON),
            act=nn.ReLU(inplace=True),
        )
    )


def build(*, outputs: int, channels: int, size: int) -> nn.Module:
    """Build BN-Inception: (n, channels, s, s) becomes logits (n, outputs).

    Source: ioffe2015batch.
    """
    del size  # any: every layer is padded, and the mean takes what they leave
    second, maps = chain(64, (Pool("max", 2), Conv(64, 1), Conv(192, 3), Pool("max", 2)))
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv_1=first_convolution(channels), conv_2=second
    )
    for row in FIGURE_5:
        layers[f"inception_{row.name}"], maps = concatenation(maps, branches(row))
    layers.update(head(maps, outputs, 0.0))
    network = nn.Sequential(layers)
    initialise_by_variance(network)
    return network


NETWORKS: Final = (
    Architecture(
        name="bn_inception",
        builder=build,
        least_size=1,
        design_size=224,
        params=11_188_288,
        macs=1_934_857_216,
        year=2015,
        source="ioffe2015batch",
        summary="BN-Inception (Inception v2): batch normalisation, two 3x3 for each 5x5",
        errors=PublishedErrors(
            top1=25.2,
            top5=7.82,
            data="ImageNet 2012 validation",
            crops="single crop",
            source="ioffe2015batch, figure 4",
        ),
    ),
)
