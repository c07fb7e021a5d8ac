"""Inception-v3 of Szegedy, Vanhoucke, Ioffe, Shlens and Wojna (2016), as its authors released it.

The paper's table 1 and the released network are not the same. This page builds the released one,
whose weights are published; the numbers of the paper stand beside it.

released                     side   maps    table 1 of the paper, with its input
conv 3x3/2 V                  149     32    conv 3x3/2           299x299x3
conv 3x3 V                    147     32    conv 3x3/1           149x149x32
conv 3x3                      147     64    conv padded 3x3/1    147x147x32
max-pool 3x3/2 V               73     64    pool 3x3/2           147x147x64
conv 1x1                       73     80    conv 3x3/1           73x73x64
conv 3x3 V                     71    192    conv 3x3/2           71x71x80
max-pool 3x3/2 V               35    192    conv 3x3/1           35x35x192
3 modules, 5x5 branch          35    288    3 x Inception        35x35x288, figure 5
reduction                      17    768
4 modules, 7x7 factorised      17    768    5 x Inception        17x17x768, figure 6
auxiliary classifier            -      -
reduction                       8   1280
2 modules, fanned out           8   2048    2 x Inception        8x8x1280, figure 7
mean, dropout, linear           1   2048    pool 8x8, linear     8x8x2048

Deviations of the released network from the paper:
- Table 1 goes from 64 to 80 maps by 3x3, halves the side by a convolution and comes to 288 maps by
  another; released are 1x1, 3x3 with max-pooling, and a first module that reads 192 and gives 256.
- Figure 5 replaces every 5x5 by two 3x3; the released modules keep one branch with 5x5.
- Figure 10 (reduction) pools and convolves side by side; table 1 counts it among its "5 x" and
  "2 x" modules.
- Figure 6 leaves the maps open; released are 128, 160, 160 and 192 with n = 7.
- Section 4 and figure 8: the auxiliary classifier has batch normalisation here. The paper gives
  no weight of its loss; 0.4 is that of the released training script.
- Means at a border count the zeros around the map, as torchvision's network has it (the released
  code leaves them out).
The paper's "less than 25 million parameters" and "5 billion multiply-adds" (abstract) are
23.8 million and 5.7 billion here, without the auxiliary classifier; its table 3 says 4.8 billion.
The paper does not say how weights are drawn: here as in the released code, with variance
2 / fan-in, and in the auxiliary classifier with a deviation of 0.01 (5x5) and 0.001 (linear).
Pictures are not rescaled inside the network (torchvision's `transform_input` is off): the published
weights want pictures scaled by mean 0.5 and deviation 0.5.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, final

from torch import Tensor, nn
from torch.nn import functional as F

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.nn.auxiliary import WithAuxiliary
from hubel.nn.inception import (
    Branch,
    Conv,
    Pool,
    Split,
    chain,
    check_size,
    concatenation,
    head,
    initialise_by_variance,
    normalised,
)

LEAST_SIZE: Final = 75
DROPOUT: Final = 0.5
AUXILIARY_WEIGHT: Final = 0.4

STEM: Branch = (
    Conv(32, 3, 2, valid=True),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    Pool("max", 2, valid=True),
    Conv(80, 1),
    Conv(192, 3, valid=True),
    Pool("max", 2, valid=True),
)

MEAN = Pool("average", count_padding=True)
FAN = Split(((Conv(384, (1, 3)),), (Conv(384, (3, 1)),)))


def module_35(pool: int) -> Split:
    """Return the module of figure 5, with the 5x5 branch of the released code."""
    return Split(
        (
            (Conv(64, 1),),
            (Conv(48, 1), Conv(64, 5)),
            (Conv(64, 1), Conv(96, 3), Conv(96, 3)),
            (MEAN, Conv(pool, 1)),
        )
    )


def module_17(n: int) -> Split:
    """Return the module of figure 6 with n maps inside its 7x7 branches."""
    return Split(
        (
            (Conv(192, 1),),
            (Conv(n, 1), Conv(n, (1, 7)), Conv(192, (7, 1))),
            (
                *(Conv(n, 1), Conv(n, (7, 1)), Conv(n, (1, 7))),
                *(Conv(n, (7, 1)), Conv(192, (1, 7))),
            ),
            (MEAN, Conv(192, 1)),
        )
    )


REDUCTION_17 = Split(  # figure 10
    (
        (Conv(384, 3, 2, valid=True),),
        (Conv(64, 1), Conv(96, 3), Conv(96, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

REDUCTION_8 = Split(  # figure 10, after a factorised 7x7
    (
        (Conv(192, 1), Conv(320, 3, 2, valid=True)),
        (Conv(192, 1), Conv(192, (1, 7)), Conv(192, (7, 1)), Conv(192, 3, 2, valid=True)),
        (Pool("max", 2, valid=True),),
    )
)

MODULE_8 = Split(  # figure 7
    (
        (Conv(320, 1),),
        (Conv(384, 1), FAN),
        (Conv(448, 1), Conv(384, 3), FAN),
        (MEAN, Conv(192, 1)),
    )
)

BEFORE_AUXILIARY = (
    ("inception_35_1", module_35(pool=32)),
    ("inception_35_2", module_35(pool=64)),
    ("inception_35_3", module_35(pool=64)),
    ("reduction_17", REDUCTION_17),
    ("inception_17_1", module_17(n=128)),
    ("inception_17_2", module_17(n=160)),
    ("inception_17_3", module_17(n=160)),
    ("inception_17_4", module_17(n=192)),
)
AFTER_AUXILIARY = (
    ("reduction_8", REDUCTION_8),
    ("inception_8_1", MODULE_8),
    ("inception_8_2", MODULE_8),
)


@final
class AuxiliaryHead(nn.Module):
    """The classifier on the last 17x17 maps: (n, inputs, h, w) becomes logits (n, outputs).

    Mean 5x5/3 to 5x5 (figure 8), convolution 1x1, convolution 5x5 without padding, mean, linear.
    Maps below 17x17 are averaged to 5x5 in equal parts. Source: szegedy2016rethinking (section 4).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_1 = normalised(inputs, 128, 1, stride=1, padding=0)
        self.conv_5 = normalised(128, 768, 5, stride=1, padding=0)
        self.fc = nn.Linear(768, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        if min(inputs.shape[2:]) >= 17:
            maps = F.avg_pool2d(inputs, 5, 3)
        else:
            maps = F.adaptive_avg_pool2d(inputs, 5)
        return self.fc(self.conv_5(self.conv_1(maps)).mean((2, 3)))


@final
class InceptionV3(nn.Module):
    """Inception-v3: (n, channels, s, s) becomes logits (n, outputs); training adds the head's."""

    def __init__(self, outputs: int, channels: int, *, auxiliary: bool) -> None:
        super().__init__()
        self.stem, maps = chain(channels, STEM)
        self.lower, maps = modules(maps, BEFORE_AUXILIARY)
        self.auxiliary = AuxiliaryHead(maps, outputs) if auxiliary else None
        self.upper, maps = modules(maps, AFTER_AUXILIARY)
        self.head = nn.Sequential(OrderedDict(head(maps, outputs, DROPOUT)))
        initialise(self)

    def forward(self, inputs: Tensor) -> Tensor | WithAuxiliary:
        """Return the logits, in training mode with those of the auxiliary classifier."""
        maps = self.lower(self.stem(inputs))
        logits = self.head(self.upper(maps))
        if self.training and self.auxiliary is not None:
            return WithAuxiliary(logits, (self.auxiliary(maps),), AUXILIARY_WEIGHT)
        return logits


def modules(inputs: int, table: tuple[tuple[str, Split], ...]) -> tuple[nn.Sequential, int]:
    """Return the named modules of a table in a row and the maps that they give."""
    maps = inputs
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, split in table:
        layers[name], maps = concatenation(maps, split)
    return nn.Sequential(layers), maps


def initialise(network: InceptionV3) -> None:
    """Draw every weight as the released code does."""
    initialise_by_variance(network)
    if network.auxiliary is not None:
        for layer in network.auxiliary.conv_5.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0, 0.01)
        nn.init.normal_(network.auxiliary.fc.weight, 0, 0.001)


def build(*, outputs: int, channels: int, size: int, auxiliary: bool = True) -> nn.Module:
    """Build Inception-v3; `auxiliary` adds the classifier that helps training only.

    Errors: UsageError for a size below 75. Source: szegedy2016rethinking.
    """
    check_size("inception_v3", size, LEAST_SIZE, "the last reduction")
    return InceptionV3(outputs, channels, auxiliary=auxiliary)


NETWORKS: Final = (
    Architecture(
        name="inception_v3",
        builder=build,
        least_size=LEAST_SIZE,
        design_size=299,
        params=27_161_264,
        macs=5_713_216_096,
        year=2015,
        source="szegedy2016rethinking",
        summary="Inception-v3: factorised convolutions, reductions without bottleneck",
        errors=PublishedErrors(
            top1=21.2,
            top5=5.6,
            data="ImageNet 2012 validation, without its blacklisted pictures",
            crops="single crop",
            source="szegedy2016rethinking, table 3",
        ),
        weights=(
            PublishedWeights(origin="torchvision:inception_v3.IMAGENET1K_V1"),
            PublishedWeights(origin="timm:inception_v3.tf_in1k", arguments={"auxiliary": False}),
            PublishedWeights(origin="timm:inception_v3.gluon_in1k", arguments={"auxiliary": False}),
        ),
    ),
)
