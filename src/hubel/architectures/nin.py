"""Network In Network of Lin, Chen and Yan (2014), in its authors' form for ImageNet.

A "mlpconv" is a convolution and two convolutions 1x1 on top, a small perceptron that slides over
the picture. The last one has a map a class, whose mean is the logit: no full connection.

block       maps            side   what
mlpconv1    96   96    96     54   11x11, stride 4; pooling 3x3 with stride 2 to 27
mlpconv2   256  256   256     27   5x5; pooling to 13
mlpconv3   384  384   384     13   3x3; pooling to 6, dropout 0.5
mlpconv4  1024 1024  1000      6   3x3; mean over the picture

The paper has networks of three blocks for CIFAR, SVHN and MNIST; this one with four is what its
first author published for ImageNet in the Caffe model zoo (nin_imagenet, layers
conv1, cccp1 to cccp8-1024). From there are maps, pooling that rounds up, ReLU after the last
convolution and initialisation: normal, with the deviations of the table; biases 0.

Deviation: the mean is over whatever side is left, not over 6x6.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from torch import nn

from hubel.architectures.architecture import Architecture


class Row(NamedTuple):
    """One mlpconv block."""

    maps: int
    perceptron: tuple[int, int | None]
    """Maps of the two convolutions 1x1; None is the number of classes."""
    kernel: int
    stride: int
    padding: int
    deviations: tuple[float, float, float]
    """Standard deviations of the initial weights of its three convolutions."""


BLOCKS: Final = (
    #   maps   perceptron  kernel stride padding deviations
    Row(  96, (  96,   96),    11,     4,     0, (0.01, 0.05, 0.05)),
    Row( 256, ( 256,  256),     5,     1,     2, (0.05, 0.05, 0.05)),
    Row( 384, ( 384,  384),     3,     1,     1, (0.01, 0.05, 0.05)),
    Row(1024, (1024, None),     3,     1,     1, (0.05, 0.05, 0.01)),
)  # fmt: skip


def mlpconv(inputs: int, row: Row, outputs: int) -> nn.Sequential:
    """Return one block: (n, inputs, h, w) becomes (n, maps of its last convolution, h', w').

    Source: lin2014network (section 3.1).
    """
    first, second = (outputs if maps is None else maps for maps in row.perceptron)
    convolutions = (
        nn.Conv2d(inputs, row.maps, row.kernel, row.stride, row.padding),
        nn.Conv2d(row.maps, first, 1),
        nn.Conv2d(first, second, 1),
    )
    layers: list[nn.Module] = []
    for conv, deviation in zip(convolutions, row.deviations, strict=True):
        nn.init.normal_(conv.weight, std=deviation)
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def build(*, outputs: int, channels: int, size: int) -> nn.Module:  # noqa: ARG001
    """Build Network In Network: (n, channels, size, size) becomes (n, outputs).

    Source: lin2014network.
    """
    layers = OrderedDict[str, nn.Module]()
    maps = channels
    for number, row in enumerate(BLOCKS, start=1):
        last = row is BLOCKS[-1]
        if last:
            layers["dropout"] = nn.Dropout(0.5)
        layers[f"mlpconv{number}"] = mlpconv(maps, row, outputs)
        if not last:
            layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        maps = row.maps
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    return nn.Sequential(layers)


NETWORKS: Final = (
    Architecture(
        name="nin",
        builder=build,
        least_size=39,
        design_size=224,
        params=7_595_176,
        macs=1_100_188_800,
        year=2014,
        source="lin2014network",
        summary="Network In Network: 1x1 convolutions, mean over the picture, no full connection",
    ),
)
