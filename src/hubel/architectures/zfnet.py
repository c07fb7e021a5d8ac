"""The network of Zeiler and Fergus (2014): AlexNet with a finer first layer, as in figure 3.

Layer   maps  side   what
layer1    96   110   7x7, stride 2; ReLU, pooling 3x3 with stride 2 to 55, normalisation
layer2   256    26   5x5, stride 2; ReLU, pooling to 13, normalisation
layer3   384    13   3x3; ReLU
layer4   384    13   3x3; ReLU
layer5   256    13   3x3; ReLU, pooling to 6x6
layer6  4096     -   ReLU, dropout 0.5
layer7  4096     -   ReLU, dropout 0.5
output  1000     -   logits

`wide=True` has 512, 1024 and 512 maps in layers 3, 4 and 5: model (b) of the paper's table 2, a
part of its ensemble. It is often taken for the network of figure 3, which it is not.

Deviations, all where the paper is silent: layer 1 is padded by 1 and pooling rounds up, which
gives the sides of figure 3 (110, 55, 26, 13, 6). The "contrast normalisation across feature maps"
has no formula there; it is AlexNet's, with its constants, after pooling as in the figure. "All
weights are initialised to 10^-2" (section 3) is read as the standard deviation: equal weights would
stay equal. The paper also renormalises large filters of layer 1 while it trains (section 3); that
is no part of the network. Other sides than 224 are averaged to 6x6 before layer 6.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from torch import nn

from hubel.architectures.architecture import Architecture, PublishedErrors
from hubel.nn.normalisation import LocalResponseNormalisation


class Row(NamedTuple):
    """One convolution of figure 3, with what follows it."""

    maps: int
    wide: int
    """Its maps in model (b) of table 2."""
    kernel: int
    stride: int
    padding: int
    pool: bool
    normalise: bool


FIGURE_3: Final = (
    #   maps  wide kernel stride padding  pool normalise
    Row(  96,   96,     7,     2,      1,  True,  True),
    Row( 256,  256,     5,     2,      0,  True,  True),
    Row( 384,  512,     3,     1,      1, False, False),
    Row( 384, 1024,     3,     1,      1, False, False),
    Row( 256,  512,     3,     1,      1,  True, False),
)  # fmt: skip
SIDE: Final = 6
UNITS: Final = 4096


def features(channels: int, *, wide: bool) -> nn.Sequential:
    """Return layers 1 to 5: (n, channels, 224, 224) becomes (n, 256, 6, 6), or 512 where wide."""
    layers: list[nn.Module] = []
    maps = channels
    for row in FIGURE_3:
        wanted = row.wide if wide else row.maps
        layers += [
            nn.Conv2d(maps, wanted, row.kernel, row.stride, row.padding),
            nn.ReLU(inplace=True),
        ]
        if row.pool:
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        if row.normalise:
            layers.append(LocalResponseNormalisation())
        maps = wanted
    return nn.Sequential(*layers)


def classifier(maps: int, outputs: int) -> nn.Sequential:
    """Return layers 6, 7 and the output: (n, 36 maps) becomes (n, outputs)."""
    return nn.Sequential(
        nn.Linear(maps * SIDE * SIDE, UNITS),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(UNITS, UNITS),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(UNITS, outputs),
    )


def build(*, outputs: int, channels: int, size: int, wide: bool = False) -> nn.Module:  # noqa: ARG001
    """Build the network of figure 3: (n, channels, size, size) becomes (n, outputs).

    `wide`: 512, 1024 and 512 maps in layers 3 to 5. Source: zeiler2014visualizing.
    """
    last = FIGURE_3[-1]
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=features(channels, wide=wide),
            avgpool=nn.AdaptiveAvgPool2d(SIDE),
            flatten=nn.Flatten(),
            classifier=classifier(last.wide if wide else last.maps, outputs),
        )
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=1e-2)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return network


NETWORKS: Final = (
    Architecture(
        name="zfnet",
        builder=build,
        least_size=47,
        design_size=224,
        params=62_357_608,
        macs=1_168_032_896,
        year=2014,
        source="zeiler2014visualizing",
        summary="ZFNet: AlexNet with 7x7 kernels of stride 2 at the start, one column",
        errors=PublishedErrors(
            top1=38.4,
            top5=16.5,
            data="ImageNet 2012 validation",
            crops="not stated",
            source="zeiler2014visualizing, table 2",
        ),
    ),
)
