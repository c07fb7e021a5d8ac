"""AlexNet of Krizhevsky, Sutskever and Hinton (2012): five convolutions, three full connections.

Layer  maps  side   what
conv1    96    55   11x11, stride 4; ReLU, response normalisation, pooling 3x3 with stride 2
conv2   256    27   5x5, in two columns; ReLU, response normalisation, pooling
conv3   384    13   3x3 over both columns; ReLU
conv4   384    13   3x3, in two columns; ReLU
conv5   256    13   3x3, in two columns; ReLU, pooling to 6x6
fc6    4096     -   ReLU, dropout 0.5
fc7    4096     -   ReLU, dropout 0.5
fc8    1000     -   logits

The paper split the maps over two GPUs; a convolution "in two columns" reads only the maps of its
own GPU, which is a grouped convolution. `columns="merged"` lets every map read all maps.

The input: the paper says 224x224, but 11x11 with stride 4 then gives no whole side; 55 comes out
of 227 = 4 * 54 + 11, which is taken here. (torchvision's alexnet pads 224 by 2 instead; it is the
network of krizhevsky2014one, with other numbers of maps and without normalisation.)

Deviations: other sides than 227 are averaged to 6x6 before fc6. The sum of the normalisation runs
over all maps of a layer, as the formula of section 3.3 has it, not over the maps of one GPU.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal, NamedTuple, get_args

from torch import Tensor, nn

from hubel.architectures.architecture import Architecture, PublishedErrors
from hubel.errors import UsageError
from hubel.nn.normalisation import LocalResponseNormalisation

Columns = Literal["two", "merged"]


class Row(NamedTuple):
    """One convolution of section 3.5, with what follows it."""

    maps: int
    kernel: int
    stride: int
    padding: int
    columns: int
    normalise: bool
    pool: bool
    bias: float
    """What its biases start from (section 5)."""


CONVOLUTIONS: Final = (
    #    maps kernel stride padding columns normalise pool  bias
    Row(  96,    11,     4,      0,      1,     True,  True,  0),
    Row( 256,     5,     1,      2,      2,     True,  True,  1),
    Row( 384,     3,     1,      1,      1,    False, False,  0),
    Row( 384,     3,     1,      1,      2,    False, False,  1),
    Row( 256,     3,     1,      1,      2,    False,  True,  1),
)  # fmt: skip
SIDE: Final = 6
"""Side of the maps that fc6 reads."""
UNITS: Final = 4096
DEVIATION: Final = 0.01


def features(channels: int, columns: Columns) -> nn.Sequential:
    """Return the convolutions: (n, channels, 227, 227) becomes (n, 256, 6, 6)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    maps = channels
    for number, row in enumerate(CONVOLUTIONS, start=1):
        groups = row.columns if columns == "two" else 1
        conv = nn.Conv2d(maps, row.maps, row.kernel, row.stride, row.padding, groups=groups)
        nn.init.normal_(conv.weight, std=DEVIATION)
        nn.init.constant_(_bias(conv), row.bias)
        layers[f"conv{number}"] = conv
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
        if row.normalise:
            layers[f"norm{number}"] = LocalResponseNormalisation()
        if row.pool:
            layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2)
        maps = row.maps
    return nn.Sequential(layers)


def classifier(outputs: int) -> nn.Sequential:
    """Return the full connections: (n, 9216) becomes (n, outputs)."""
    layers = OrderedDict[str, nn.Module](
        fc6=nn.Linear(CONVOLUTIONS[-1].maps * SIDE * SIDE, UNITS),
        relu6=nn.ReLU(inplace=True),
        dropout6=nn.Dropout(0.5),
        fc7=nn.Linear(UNITS, UNITS),
        relu7=nn.ReLU(inplace=True),
        dropout7=nn.Dropout(0.5),
        fc8=nn.Linear(UNITS, outputs),
    )
    for name, layer in layers.items():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=DEVIATION)
            nn.init.constant_(layer.bias, 0 if name == "fc8" else 1)
    return nn.Sequential(layers)


def _bias(conv: nn.Conv2d) -> Tensor:
    """Return the bias that every convolution of this page has."""
    assert conv.bias is not None
    return conv.bias


def build(*, outputs: int, channels: int, size: int, columns: Columns = "two") -> nn.Module:  # noqa: ARG001
    """Build AlexNet: (n, channels, size, size) becomes (n, outputs).

    `columns`: "two" as on the paper's two GPUs, "merged" for one.
    Errors: UsageError for other `columns`. Source: krizhevsky2012imagenet.
    """
    if columns not in get_args(Columns):
        raise UsageError(f"alexnet's columns are two or merged, not {columns!r}.")
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            features=features(channels, columns),
            avgpool=nn.AdaptiveAvgPool2d(SIDE),
            flatten=nn.Flatten(),
            classifier=classifier(outputs),
        )
    )


NETWORKS: Final = (
    Architecture(
        name="alexnet",
        builder=build,
        least_size=67,
        design_size=227,
        params=60_965_224,
        macs=724_406_816,
        year=2012,
        source="krizhevsky2012imagenet",
        summary="AlexNet: response normalisation, overlapping pooling, two columns",
        errors=PublishedErrors(
            top1=40.7,
            top5=18.2,
            data="ImageNet 2012 validation",
            crops="10 crops",
            source="krizhevsky2012imagenet, table 2",
        ),
    ),
)
