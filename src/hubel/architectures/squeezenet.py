"""SqueezeNet of Iandola and others (2016): AlexNet's accuracy with a fiftieth of its parameters.

A Fire module squeezes its input into few maps with 1x1, then expands them with 1x1 and 3x3 side by
side. Pooling 3x3 with stride 2, rounded up, follows the first convolution and two Fire modules.

           squeeze   expand   SqueezeNet 1.0    1.1
conv1            -        -   96, 7x7 / 2       64, 3x3 / 2
fire2, 3        16    64+64
fire4, 5        32  128+128   pooling after 4   after 3
fire6, 7        48  192+192
fire8, 9        64  256+256   pooling after 8   after 5
conv10           -   1000     dropout 0.5, 1x1, ReLU, mean over the picture

1.0 is table 1 of the paper; 1.1 is what its authors released later (same accuracy, 2.4 times less
work), and 1.0 of their Caffe files gives the initialisation, of which the paper says nothing:
uniform with variance 1 / fan_in, normal with deviation 0.01 for conv10, biases 0.

Table 1 gives conv1 a side of 111, which needs an input of 227; 224 gives 109. After the first
pooling (54 or 55, then 27 and 13) the difference is gone, and the last side is 13 as in the paper.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError


class Row(NamedTuple):
    """One Fire module of table 1."""

    squeeze: int
    """Maps of the 1x1 convolution at its start: s_1x1."""
    expand1x1: int
    expand3x3: int


class Version(NamedTuple):
    """What differs between the two versions."""

    maps: int
    """Of the first convolution, which has stride 2."""
    kernel: int
    pool_after: tuple[str, ...]


TABLE_1: Final = {
    #           s1x1 e1x1 e3x3
    "fire2": Row(16,  64,  64),
    "fire3": Row(16,  64,  64),
    "fire4": Row(32, 128, 128),
    "fire5": Row(32, 128, 128),
    "fire6": Row(48, 192, 192),
    "fire7": Row(48, 192, 192),
    "fire8": Row(64, 256, 256),
    "fire9": Row(64, 256, 256),
}  # fmt: skip
VERSIONS: Final = {
    #              maps kernel  pooling after
    "1.0": Version(  96,     7, ("fire4", "fire8")),
    "1.1": Version(  64,     3, ("fire3", "fire5")),
}  # fmt: skip


class Fire(nn.Module):
    """Squeeze, then expand twice: (n, inputs, h, w) becomes (n, expand1x1 + expand3x3, h, w).

    Source: iandola2016squeezenet (section 3.2).
    """

    def __init__(self, inputs: int, row: Row) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, row.squeeze, 1)
        self.expand1x1 = nn.Conv2d(row.squeeze, row.expand1x1, 1)
        self.expand3x3 = nn.Conv2d(row.squeeze, row.expand3x3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps of both expansions, 1x1 first."""
        squeezed = self.relu(self.squeeze(inputs))
        return self.relu(torch.cat((self.expand1x1(squeezed), self.expand3x3(squeezed)), dim=1))


def pool() -> nn.Module:
    """Return the pooling of this page."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def build(*, outputs: int, channels: int, size: int, version: str) -> nn.Module:  # noqa: ARG001
    """Build SqueezeNet: (n, channels, size, size) becomes (n, outputs).

    `version`: "1.0" or "1.1".
    Errors: UsageError for another version. Source: iandola2016squeezenet.
    """
    if version not in VERSIONS:
        raise UsageError(f"squeezenet's version is 1.0 or 1.1, not {version!r}.")
    start = VERSIONS[version]
    layers = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(channels, start.maps, start.kernel, stride=2),
        relu1=nn.ReLU(inplace=True),
        pool1=pool(),
    )
    maps = start.maps
    for name, row in TABLE_1.items():
        layers[name] = Fire(maps, row)
        if name in start.pool_after:
            layers[name.replace("fire", "pool")] = pool()
        maps = row.expand1x1 + row.expand3x3
    layers["dropout"] = nn.Dropout(0.5)
    layers["conv10"] = nn.Conv2d(maps, outputs, 1)
    layers["relu10"] = nn.ReLU(inplace=True)
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    network = nn.Sequential(layers)
    _initialise(network)
    return network


def _initialise(network: nn.Sequential) -> None:
    """Draw the weights as the authors' Caffe files do."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            if name == "conv10":
                nn.init.normal_(layer.weight, std=0.01)
            else:  # a gain of 1: variance 1 / fan_in
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


NETWORKS: Final = (
    Architecture(
        name="squeezenet1_0",
        builder=build,
        variant={"version": "1.0"},
        least_size=21,
        design_size=224,
        params=1_248_424,
        macs=818_924_576,
        year=2016,
        source="iandola2016squeezenet",
        summary="SqueezeNet 1.0: Fire modules, 1.2 million parameters",
        errors=PublishedErrors(
            top1=42.5,
            top5=19.7,
            data="ImageNet 2012 validation",
            crops="not stated",
            source="iandola2016squeezenet, table 2",
        ),
        weights=(PublishedWeights(origin="torchvision:squeezenet1_0.IMAGENET1K_V1"),),
    ),
    Architecture(
        name="squeezenet1_1",
        builder=build,
        variant={"version": "1.1"},
        least_size=17,
        design_size=224,
        params=1_235_496,
        macs=349_151_936,
        year=2016,
        source="iandola2016squeezenet",
        summary="SqueezeNet 1.1: as 1.0, pooled earlier, 2.4 times less work",
        weights=(
            PublishedWeights(origin="torchvision:squeezenet1_1.IMAGENET1K_V1"),
            PublishedWeights(origin="package:squeezenet1_1"),
        ),
    ),
)
