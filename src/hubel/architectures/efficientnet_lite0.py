"""EfficientNet-Lite0 (2020): EfficientNet-B0 made for phones, without squeeze-and-excitation.

The blocks are those of MobileNetV2 with kernels of 3 and 5: widen (1x1), filter each map alone,
narrow (1x1) without an activation, add the input where the shape stays. What EfficientNet-Lite
changed of tan2019efficientnet's table 1: no squeeze-and-excitation, ReLU6 for swish.

`convention` says how strided convolutions are padded and what batch normalisation adds to the
variance: "tensorflow" (the published network: asymmetric padding that keeps ceil(side / stride),
1e-3) or "torch" (symmetric padding, 1e-5), under which timm trained weights of its own.

Deviations: the blog post has neither table nor initialisation; the table is B0's, and weights are
the released code's: convolutions normal with variance 2 groups / (kernel^2 * output maps), the last
layer uniform within 1 / sqrt(classes), taken for 1000 classes always (for a few, the first answers
would be far too sure), biases 0. The released code's readme counts 407 million multiply-accumulates
and does not say of what; convolutions and the last layer have 385 million. Training leaves blocks
and features out at the released code's rates of 0.2.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Final, Literal, NamedTuple, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError

Convention = Literal["tensorflow", "torch"]


class Row(NamedTuple):
    """Equal blocks, the first of which may have a stride."""

    expansion: int
    maps: int
    repeats: int
    stride: int
    kernel: int


STEM: Final = 32
"""Maps of the ordinary 3x3 convolution with stride 2 at the start."""
TABLE_1: Final = (
    #   t    c  n  s  k
    Row(1,  16, 1, 1, 3),
    Row(6,  24, 2, 2, 3),
    Row(6,  40, 2, 2, 5),
    Row(6,  80, 3, 2, 3),
    Row(6, 112, 3, 1, 5),
    Row(6, 192, 4, 2, 5),
    Row(6, 320, 1, 1, 3),
)  # fmt: skip
HEAD: Final = 1280
"""Maps of the 1x1 convolution at the end."""
DROPOUT: Final = 0.2
DROPPED_BLOCKS: Final = 0.2
"""Part of the pictures for which the last block is left out in training; the first: none."""
HEAD_BOUND: Final = 1000**-0.5
EPS: Final = {"tensorflow": 1e-3, "torch": 1e-5}


class SamePadding(nn.Module):
    """Pad so that a strided window gives ceil(side / stride): TensorFlow's "same".

    p = (ceil(h / s) - 1) s + k - h = k - 1 - (h - 1) mod s zeros on both sides together, the
    odd one below and to the right; (n, c, h, w) becomes (n, c, h + p, w + p'). Kernels are k >= s.
    Without a loop or a comparison over the sides, so that torch.fx can follow it.
    """

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the padded maps."""
        down, right = self._zeros(inputs.shape[-2]), self._zeros(inputs.shape[-1])
        return F.pad(inputs, (right // 2, right - right // 2, down // 2, down - down // 2))

    def _zeros(self, side: int) -> int:
        """Return how many zeros an axis needs."""
        return self.kernel - 1 - (side - 1) % self.stride


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    convention: Convention,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """Return convolution, batch normalisation and, where asked for, ReLU6.

    (n, inputs, h, w) becomes (n, outputs, ceil(h / stride), ceil(w / stride)).
    """
    layers: list[nn.Module] = []
    pads = stride > 1 and convention == "tensorflow"
    if pads:
        layers.append(SamePadding(kernel, stride))
    layers += [
        nn.Conv2d(
            inputs, outputs, kernel, stride, 0 if pads else kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(outputs, eps=EPS[convention]),
    ]
    if activation:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """narrow(filter(widen(x))), plus x where the shape stays.

    (n, inputs, h, w) becomes (n, maps, h / stride, w / stride), rounded up.
    In training the sum leaves the block out for some pictures. Source: sandler2018inverted,
    huang2016deep.
    """

    def __init__(
        self, inputs: int, row: Row, *, stride: int, drop: float, convention: Convention
    ) -> None:
        super().__init__()
        wide = inputs * row.expansion
        conv = partial(conv_bn, convention=convention)
        layers = [] if row.expansion == 1 else [conv(inputs, wide, 1)]
        layers += [
            conv(wide, wide, row.kernel, stride=stride, groups=wide),
            conv(wide, row.maps, 1, activation=False),
        ]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == row.maps
        from torchvision.ops import StochasticDepth  # here: importing it takes two seconds

        self.drop = StochasticDepth(drop, mode="row")

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the block's maps."""
        outputs = self.layers(inputs)
        return inputs + self.drop(outputs) if self.adds else outputs


def build(
    *,
    outputs: int,
    channels: int,
    size: int,  # noqa: ARG001
    convention: Convention = "tensorflow",
) -> nn.Module:
    """Build EfficientNet-Lite0: (n, channels, size, size) becomes (n, outputs).

    `convention`: "tensorflow" or "torch", see above.
    Errors: UsageError for another convention. Source: liu2020higher, tan2019efficientnet.
    """
    if convention not in get_args(Convention):
        raise UsageError(
            f"efficientnet_lite0's convention is tensorflow or torch, not {convention!r}."
        )
    layers: list[nn.Module] = [conv_bn(channels, STEM, 3, stride=2, convention=convention)]
    maps, block, blocks = STEM, 0, sum(row.repeats for row in TABLE_1)
    for row in TABLE_1:
        for repeat in range(row.repeats):
            stride = row.stride if repeat == 0 else 1
            drop = DROPPED_BLOCKS * block / blocks
            layers.append(
                InvertedResidual(maps, row, stride=stride, drop=drop, convention=convention)
            )
            maps, block = row.maps, block + 1
    layers.append(conv_bn(maps, HEAD, 1, convention=convention))
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=nn.Sequential(*layers),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            dropout=nn.Dropout(DROPOUT),
            classifier=nn.Linear(HEAD, outputs),
        )
    )
    _initialise(network)
    return network


def _initialise(network: nn.Module) -> None:
    """Draw the weights as the released code does."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1]
            nn.init.normal_(layer.weight, std=(2 * layer.groups / taps / layer.out_channels) ** 0.5)
        elif isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.weight, -HEAD_BOUND, HEAD_BOUND)
            nn.init.zeros_(layer.bias)


NETWORKS: Final = (
    Architecture(
        name="efficientnet_lite0",
        builder=build,
        least_size=1,
        design_size=224,
        params=4_652_008,
        macs=385_187_552,
        year=2020,
        source="liu2020higher",
        summary="EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6",
        errors=PublishedErrors(
            top1=24.9,
            top5=None,
            data="ImageNet 2012 validation",
            crops="not stated",
            source="liu2020higher, released code",
        ),
        weights=(
            PublishedWeights(origin="package:efficientnet_lite0"),
            PublishedWeights(origin="timm:tf_efficientnet_lite0.in1k"),
            PublishedWeights(
                origin="timm:efficientnet_lite0.ra_in1k", arguments={"convention": "torch"}
            ),
        ),
    ),
)
