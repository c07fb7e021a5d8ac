"""GoogLeNet, the first Inception network, of Szegedy et al. (2015), table 1.

part          side   maps   params (K)   ops (M)
conv 7x7/2     112     64          2.7        34   the two numbers: see below
max 3x3/2       56     64                          then response normalisation (figure 3)
conv 3x3        56    192          112       360   after 64 of 1x1; then response normalisation
max 3x3/2       28    192
3a              28    256          159       128
3b              28    480          380       304
max 3x3/2       14    480
4a              14    512          364        73   first auxiliary classifier
4b              14    512          437        88
4c              14    512          463       100
4d              14    528          580       119   second auxiliary classifier
4e              14    832          840       170
max 3x3/2        7    832
5a               7    832         1072        54
5b               7   1024         1388        71
mean, dropout    1   1024                          40% are dropped
linear           1   1000         1000         1

What the columns of the paper say, without biases and with K = 1024, against what its own rows give:
conv 7x7 has 9.2 K and 118 M here. The printed 2.7 K and 34 M fit a separable 7x7 with 8 maps a
channel (7·7·3·8 + 24·64 = 2,712 parameters, if K is 1000 in this row), which ioffe2015batch names
for its first layer; section 5 and figure 3 have the plain one. The rows of 4a, 4c, 4d, 4e, 5a and
5b give 366, 497, 590, 847, 1018 and 1409 K; their ops agree within a million, but for 5a (51).
In all 6,998,552 parameters with the plain 7x7 and biases, 6,379,728 more in the auxiliary
classifiers.

Where the paper is silent, this page is like the replication of Caffe, made with the authors' help:
response normalisation over 5 maps, alpha 1e-4 (of the mean), beta 0.75, k = 1; weights uniform
within ± sqrt(3 / fan-in), biases 0.2, those of the classifiers 0. Pooling rounds sides up, as
table 1 needs. Auxiliary classifiers pool to 4x4 at any size (section 5).

`variant="torchvision"` is torchvision's network: batch normalisation instead of biases and response
normalisation, 3x3 in place of 5x5, max-pooling 2x2 before 5a, dropout of 20%, auxiliary classifiers
averaged to 4x4 in equal parts, weights of normal distribution with deviation 0.01. Its published
weights want pictures scaled by mean 0.5 and deviation 0.5 (`transform_input` is off here), and
their auxiliary classifiers are not trained.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final, Literal, NamedTuple, final

from torch import Tensor, nn
from torch.nn import functional as F

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError
from hubel.nn.auxiliary import WithAuxiliary
from hubel.nn.inception import (
    Conv,
    Kernel,
    Pool,
    Split,
    Unit,
    check_size,
    concatenation,
    head,
    normalised,
)

AUXILIARY_WEIGHT: Final = 0.3
AUXILIARY_DROPOUT: Final = 0.7


class Row(NamedTuple):
    """One module of table 1, in maps."""

    name: str
    n1x1: int
    reduce3x3: int
    n3x3: int
    reduce5x5: int
    n5x5: int
    pool_proj: int


TABLE_1: Final = (
    #       #1x1  #3x3 reduce  #3x3  #5x5 reduce  #5x5  pool proj
    Row("3a", 64, 96, 128, 16, 32, 32),
    Row("3b", 128, 128, 192, 32, 96, 64),
    "pool_3",
    Row("4a", 192, 96, 208, 16, 48, 64),
    Row("4b", 160, 112, 224, 24, 64, 64),
    Row("4c", 128, 128, 256, 24, 64, 64),
    Row("4d", 112, 144, 288, 32, 64, 64),
    Row("4e", 256, 160, 320, 32, 128, 128),
    "pool_4",
    Row("5a", 256, 160, 320, 32, 128, 128),
    Row("5b", 384, 192, 384, 48, 128, 128),
)
AUXILIARY_AT: Final = ("inception_4a", "inception_4d")


class Variant(NamedTuple):
    """What the paper's network and torchvision's do not share."""

    unit: Unit
    kernel5x5: int
    pool_4: int
    response_normalisation: bool
    dropout: float
    equal_parts: bool
    """Whether auxiliary classifiers average to 4x4 in equal parts, not over 5x5 with stride 3."""
    least_size: int
    first_to_fail: str
    weight_deviation: float | None
    """Of normally distributed weights; None draws as Caffe does."""


def biased(
    inputs: int,
    outputs: int,
    kernel: Kernel,
    *,
    stride: int,
    padding: int | tuple[int, int] | None,
) -> nn.Module:
    """Return convolution with bias and ReLU."""
    height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    around = (height // 2, width // 2) if padding is None else padding
    conv = nn.Conv2d(inputs, outputs, (height, width), stride, around)
    return nn.Sequential(OrderedDict(conv=conv, act=nn.ReLU(inplace=True)))


VARIANTS: Final = {
    "paper": Variant(
        unit=biased,
        kernel5x5=5,
        pool_4=3,
        response_normalisation=True,
        dropout=0.4,
        equal_parts=False,
        least_size=31,
        first_to_fail="pool_4",
        weight_deviation=None,
    ),
    "torchvision": Variant(
        unit=normalised,
        kernel5x5=3,
        pool_4=2,
        response_normalisation=False,
        dropout=0.2,
        equal_parts=True,
        least_size=15,
        first_to_fail="pool_3",
        weight_deviation=0.01,
    ),
}


@final
class AuxiliaryHead(nn.Module):
    """Mean to 4x4, convolution 1x1 (128), linear (1024), dropout of 70%, linear.

    (n, inputs, h, w) becomes logits (n, outputs). Source: szegedy2015going (section 5).
    """

    def __init__(self, inputs: int, outputs: int, variant: Variant) -> None:
        super().__init__()
        self.equal_parts = variant.equal_parts
        self.conv = variant.unit(inputs, 128, 1, stride=1, padding=0)
        self.fc_1 = nn.Linear(4 * 4 * 128, 1024)
        self.dropout = nn.Dropout(AUXILIARY_DROPOUT)
        self.fc_2 = nn.Linear(1024, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        maps = inputs
        if not self.equal_parts and min(maps.shape[2:]) >= 14:
            maps = F.avg_pool2d(maps, 5, 3)
        maps = self.conv(F.adaptive_avg_pool2d(maps, 4))
        return self.fc_2(self.dropout(F.relu(self.fc_1(maps.flatten(1)))))


@final
class GoogLeNet(nn.Module):
    """GoogLeNet: (n, channels, s, s) becomes logits (n, outputs); training adds the heads'."""

    def __init__(self, outputs: int, channels: int, variant: Variant, *, auxiliary: bool) -> None:
        super().__init__()
        self.body, maps = nn.Sequential(stem(channels, variant)), 192
        self.heads = nn.ModuleDict()
        for row in TABLE_1:
            if isinstance(row, str):
                kernel = variant.pool_4 if row == "pool_4" else 3
                self.body.add_module(row, nn.MaxPool2d(kernel, 2, ceil_mode=True))
                continue
            name = f"inception_{row.name}"
            module, maps = concatenation(maps, branches(row, variant), variant.unit)
            self.body.add_module(name, module)
            if auxiliary and name in AUXILIARY_AT:
                self.heads[name] = AuxiliaryHead(maps, outputs, variant)
        self.head = nn.Sequential(OrderedDict(head(maps, outputs, variant.dropout)))

    def forward(self, inputs: Tensor) -> Tensor | WithAuxiliary:
        """Return the logits, in training mode with those of the auxiliary classifiers."""
        maps, auxiliary = inputs, list[Tensor]()
        for name, layer in self.body.named_children():
            maps = layer(maps)
            if self.training and name in self.heads:
                auxiliary.append(self.heads[name](maps))
        logits = self.head(maps)
        return WithAuxiliary(logits, tuple(auxiliary), AUXILIARY_WEIGHT) if auxiliary else logits


def stem(channels: int, variant: Variant) -> OrderedDict[str, nn.Module]:
    """Return the layers before the first module: 64 maps 7x7, then 64 of 1x1, then 192 of 3x3."""
    layers = OrderedDict[str, nn.Module](
        conv_1=variant.unit(channels, 64, 7, stride=2, padding=None),
        pool_1=nn.MaxPool2d(3, 2, ceil_mode=True),
        norm_1=nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1),
        reduce_2=variant.unit(64, 64, 1, stride=1, padding=None),
        conv_2=variant.unit(64, 192, 3, stride=1, padding=None),
        norm_2=nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1),
        pool_2=nn.MaxPool2d(3, 2, ceil_mode=True),
    )
    if not variant.response_normalisation:
        del layers["norm_1"], layers["norm_2"]
    return layers


def branches(row: Row, variant: Variant) -> Split:
    """Return the module of a row (figure 2b)."""
    return Split(
        (
            (Conv(row.n1x1, 1),),
            (Conv(row.reduce3x3, 1), Conv(row.n3x3, 3)),
            (Conv(row.reduce5x5, 1), Conv(row.n5x5, variant.kernel5x5)),
            (Pool("max"), Conv(row.pool_proj, 1)),
        )
    )


def initialise(network: GoogLeNet, deviation: float | None) -> None:
    """Draw all weights, uniformly within ± sqrt(3 / fan-in) unless a deviation is given.

    Biases are then 0.2, those of classifiers 0; with a deviation they stay as torch draws them.
    """
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if deviation is not None:
            nn.init.normal_(layer.weight, 0, deviation)
            continue
        bound = math.sqrt(3 / layer.weight[0].numel())
        nn.init.uniform_(layer.weight, -bound, bound)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, 0 if name.endswith(("fc", "fc_2")) else 0.2)


def build(
    *,
    outputs: int,
    channels: int,
    size: int,
    variant: Literal["paper", "torchvision"] = "paper",
    auxiliary: bool = True,
) -> nn.Module:
    """Build GoogLeNet; `auxiliary` adds the two classifiers that help training only.

    `variant`: "paper", or "torchvision" for the network of its published weights.
    Errors: UsageError for a size below 31 (torchvision: 15) or another variant.
    Source: szegedy2015going.
    """
    if variant not in VARIANTS:
        raise UsageError(f"googlenet's variant is paper or torchvision, not {variant!r}.")
    chosen = VARIANTS[variant]
    check_size("googlenet", size, chosen.least_size, chosen.first_to_fail)
    network = GoogLeNet(outputs, channels, chosen, auxiliary=auxiliary)
    initialise(network, chosen.weight_deviation)
    return network


NETWORKS: Final = (
    Architecture(
        name="googlenet",
        builder=build,
        least_size=VARIANTS["paper"].least_size,
        design_size=224,
        params=13_378_280,
        macs=1_582_671_872,
        year=2014,
        source="szegedy2015going",
        summary="GoogLeNet (Inception v1): nine modules of parallel 1x1, 3x3 and 5x5",
        errors=PublishedErrors(
            top1=None,
            top5=10.07,
            data="ImageNet 2012 validation",
            crops="single crop",
            source="szegedy2015going, table 3",
        ),
        weights=(
            PublishedWeights(
                origin="torchvision:googlenet.IMAGENET1K_V1",
                arguments={"variant": "torchvision"},
            ),
        ),
    ),
)
