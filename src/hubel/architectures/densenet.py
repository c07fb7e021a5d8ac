"""Densely connected networks of Huang, Liu, van der Maaten and Weinberger (2017): DenseNet-BC.

Layer l of a block reads the maps of the block's input and of all layers before it,
x_l = H_l([x_0, x_1, ..., x_(l-1)]) (equation 2), and adds `growth` maps (k) of its own. H_l is
BN-ReLU-Conv(1x1) to 4k maps, then BN-ReLU-Conv(3x3) (bottleneck, "B"). A transition between
blocks halves the maps by a convolution 1x1 (compression 0.5, "C") and the map by mean-pooling 2x2.

Where this page leaves the paper: batch normalisation and ReLU follow the last block before the
mean, as in the authors' code and the published weights; the table does not show them. Not all
versions of the paper have the network of 161 layers, growth 48: its error is what the authors'
code states.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError


class Row(NamedTuple):
    """A column of table 1: growth, maps of the stem, and layers of each block."""

    growth: int
    stem: int
    block1: int
    block2: int
    block3: int
    block4: int


TABLE_1: Final = {
    # layers: growth  stem  blocks 1 to 4
    121: Row(32,      64,   6, 12, 24, 16),
    169: Row(32,      64,   6, 12, 32, 32),
    201: Row(32,      64,   6, 12, 48, 32),
    161: Row(48,      96,   6, 12, 36, 24),
}  # fmt: skip
BOTTLENECK: Final = 4
"""The 1x1 convolution of a layer gives four times `growth` maps."""
LEAST_SIZE: Final = 29


class DenseLayer(nn.Module):
    """dropout(conv3x3(relu(bn(conv1x1(relu(bn(x))))))): (n, inputs, h, w) to (n, growth, h, w)."""

    def __init__(self, inputs: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, BOTTLENECK * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(BOTTLENECK * growth)
        self.conv2 = nn.Conv2d(BOTTLENECK * growth, growth, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps that this layer adds."""
        maps = self.conv1(self.relu(self.bn1(inputs)))
        return self.dropout(self.conv2(self.relu(self.bn2(maps))))


class DenseBlock(nn.Module):
    """Layers that read all maps before them: (n, inputs, h, w) to (n, inputs + layers·k, h, w)."""

    def __init__(self, inputs: int, layers: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(inputs + place * growth, growth, dropout) for place in range(layers)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the input's maps and those of every layer."""
        maps = [inputs]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


class Transition(nn.Sequential):
    """pool(conv1x1(relu(bn(x)))): (n, inputs, h, w) to (n, inputs / 2, h / 2, w / 2), floored."""

    def __init__(self, inputs: int) -> None:
        super().__init__(
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, inputs // 2, 1, bias=False),
            nn.AvgPool2d(2),
        )


class DenseNet(nn.Module):
    """Stem, four dense blocks, mean over the map, linear: (n, channels, S, S) to (n, outputs)."""

    def __init__(self, outputs: int, channels: int, row: Row, dropout: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, row.stem, 7, 2, 3, bias=False),
            nn.BatchNorm2d(row.stem),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        maps, parts = row.stem, list[nn.Module]()
        for place, layers in enumerate((row.block1, row.block2, row.block3, row.block4)):
            if place > 0:
                parts.append(Transition(maps))
                maps //= 2
            parts.append(DenseBlock(maps, layers, row.growth, dropout))
            maps += layers * row.growth
        self.blocks = nn.Sequential(*parts)
        self.bn = nn.BatchNorm2d(maps)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(maps, outputs)
        initialise(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of a batch of pictures."""
        maps = self.relu(self.bn(self.blocks(self.stem(inputs))))
        return self.head(F.adaptive_avg_pool2d(maps, 1).flatten(1))


def initialise(network: nn.Module) -> None:
    """Draw a convolution's weights from N(0, 2 / n), n = k² · (input maps): he2015delving, eq. 10.

    The linear layer, which no ReLU follows, has variance 1 / (its inputs) and no bias at first.
    """
    if next(network.parameters()).is_meta:
        return  # no numbers to draw: to try would take most of the time of building
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)


def build(*, outputs: int, channels: int, size: int, depth: int, dropout: float = 0.0) -> nn.Module:
    """Build a network of table 1.

    `dropout`: the share of values dropped after each 3x3 convolution; the paper has 0.2 on data
    without augmentation, and none on ImageNet (section 4.2).
    Errors: UsageError for a size below 29 and a dropout outside [0, 1). Source: huang2017densely.
    """
    if size < LEAST_SIZE:
        raise UsageError(f"densenet{depth}'s size must be at least {LEAST_SIZE}, not {size}.")
    if not 0 <= dropout < 1:
        raise UsageError(
            f"densenet{depth}'s dropout must be at least 0 and below 1, not {dropout}."
        )
    return DenseNet(outputs, channels, TABLE_1[depth], dropout)


def _network(
    depth: int, params: int, macs: int, errors: tuple[float, float | None], place: str = "table 3"
) -> Architecture:
    """Return what is known of a network of table 1."""
    growth = TABLE_1[depth].growth
    return Architecture(
        name=f"densenet{depth}",
        builder=build,
        variant={"depth": depth},
        least_size=LEAST_SIZE,
        design_size=224,
        params=params,
        macs=macs,
        year=2016,
        source="huang2017densely",
        summary=f"DenseNet of {depth} layers, growth {growth}: layers that read all before them",
        errors=PublishedErrors(
            top1=errors[0],
            top5=errors[1],
            data="ImageNet 2012 validation",
            crops="single crop",
            source=f"huang2017densely, {place}",
        ),
        weights=(PublishedWeights(origin=f"torchvision:densenet{depth}.IMAGENET1K_V1"),),
    )


NETWORKS: Final = (
    _network(121, 7_978_856, 2_834_161_664, (25.02, 7.71)),
    _network(169, 14_149_480, 3_359_843_328, (23.80, 6.85)),
    _network(201, 20_013_928, 4_291_365_888, (22.58, 6.34)),
    _network(161, 28_681_000, 7_727_907_072, (22.2, None), "released code"),
)
