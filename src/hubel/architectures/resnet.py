"""Residual networks of He, Zhang, Ren and Sun (2016): table 1 for ImageNet, section 4.2 for CIFAR.

Every block adds what it learns to what it got, y = relu(F(x) + shortcut(x)) (equations 1 and 2),
each convolution is followed by batch normalisation (section 3.4), and the map is halved by the
first block of stages 3, 4 and 5 (in CIFAR's of the second and third stage).

The shortcut of a block whose maps change (section 3.3 and table 3):
A  identity at every second pixel, zeros for the maps that are new: no parameters
B  a projection, convolution 1x1, where the maps change; identity elsewhere
C  a projection in every block

Where this page leaves the paper: a bottleneck halves the map in its 3x3 convolution, as the
published weights do; `stride_on="1x1"` halves it in the first 1x1, as the authors' networks do.
The paper's multiply-accumulates, 3.8 billion for 50 layers, are those of "1x1" (3.858 by our
count); "3x3" has 4.089. The error of 18 layers was measured with shortcut A (table 2), those of
the other networks of table 1 with B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from hubel.architectures.architecture import Architecture, PublishedErrors, PublishedWeights
from hubel.errors import UsageError

Shortcut = Literal["A", "B", "C"]
StrideOn = Literal["3x3", "1x1"]


class Row(NamedTuple):
    """A column of table 1: the kind of block, and how many of them stages 2 to 5 have."""

    bottleneck: bool
    conv2: int
    conv3: int
    conv4: int
    conv5: int


TABLE_1: Final = {
    # layers: bottleneck  conv2_x  conv3_x  conv4_x  conv5_x
    18:  Row(False,       2,       2,       2,       2),
    34:  Row(False,       3,       4,       6,       3),
    50:  Row(True,        3,       4,       6,       3),
    101: Row(True,        3,       4,       23,      3),
    152: Row(True,        3,       8,       36,      3),
}  # fmt: skip


class CifarRow(NamedTuple):
    """How many blocks of two 3x3 convolutions each of the three stages has: n of section 4.2."""

    stage1: int
    stage2: int
    stage3: int


SECTION_4_2: Final = {
    # 6n + 2 layers: at 32x32  16x16  8x8
    20:  CifarRow(       3,     3,     3),
    32:  CifarRow(       5,     5,     5),
    44:  CifarRow(       7,     7,     7),
    56:  CifarRow(       9,     9,     9),
    110: CifarRow(      18,    18,    18),
}  # fmt: skip
WIDTHS: Final = (64, 128, 256, 512)
CIFAR_WIDTHS: Final = (16, 32, 64)
EXPANSION: Final = 4
"""A bottleneck's output has four times the maps of its 3x3 convolution."""


class PaddedIdentity(nn.Module):
    """Shortcut A: every `stride`-th pixel, zeros for new maps.

    (n, inputs, h, w) becomes (n, outputs, ceil(h / stride), ceil(w / stride)).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.new, self.stride = outputs - inputs, stride

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the thinned maps and the zeros."""
        thinned = inputs[:, :, :: self.stride, :: self.stride]
        return F.pad(thinned, (0, 0, 0, 0, 0, self.new))


def make_shortcut(kind: Shortcut, inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return shortcut A, B or C of a block."""
    if kind != "C" and inputs == outputs and stride == 1:
        return nn.Identity()
    if kind == "A":
        return PaddedIdentity(inputs, outputs, stride)
    projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two convolutions 3x3 and a shortcut (figure 5, left).

    (n, inputs, h, w) becomes (n, width, h', w') with h' = ceil(h / stride).
    """

    def __init__(self, inputs: int, width: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = make_shortcut(shortcut, inputs, width, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        maps = self.relu(self.bn1(self.conv1(inputs)))
        return self.relu(self.bn2(self.conv2(maps)) + self.shortcut(inputs))


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3 and 1x1 and a shortcut (figure 5, right).

    (n, inputs, h, w) becomes (n, 4 width, h', w') with h' = ceil(h / stride).
    """

    def __init__(
        self, inputs: int, width: int, stride: int, shortcut: Shortcut, stride_on: StrideOn
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = make_shortcut(shortcut, inputs, outputs, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        maps = self.relu(self.bn1(self.conv1(inputs)))
        maps = self.relu(self.bn2(self.conv2(maps)))
        return self.relu(self.bn3(self.conv3(maps)) + self.shortcut(inputs))


class ResNet(nn.Module):
    """Stem, stages of blocks, mean over the map, linear: (n, channels, S, S) to (n, outputs)."""

    def __init__(self, stem: nn.Sequential, stages: nn.Sequential, maps: int, outputs: int) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(maps, outputs)
        initialise(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of a batch of pictures."""
        return self.head(self.pool(self.stages(self.stem(inputs))).flatten(1))


def initialise(network: nn.Module) -> None:
    """Draw a convolution's weights from N(0, 2 / n), n = k² · (output maps): he2015delving, eq. 14.

    The linear layer, which no ReLU follows, has variance 1 / (its inputs) and no bias at first.
    """
    if next(network.parameters()).is_meta:
        return  # no numbers to draw: to try would take most of the time of building
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)


def make_stages(
    inputs: int,
    widths: Sequence[int],
    numbers: Sequence[int],
    shortcut: Shortcut,
    stride_on: StrideOn | None,
) -> nn.Sequential:
    """Return stages of blocks, bottlenecks where `stride_on` says where they halve the map."""
    stages: list[nn.Sequential] = []
    for stage, (width, number) in enumerate(zip(widths, numbers, strict=True)):
        blocks: list[nn.Module] = []
        for place in range(number):
            stride = 2 if stage > 0 and place == 0 else 1
            if stride_on is None:
                blocks.append(BasicBlock(inputs, width, stride, shortcut))
                inputs = width
            else:
                blocks.append(Bottleneck(inputs, width, stride, shortcut, stride_on))
                inputs = EXPANSION * width
        stages.append(nn.Sequential(*blocks))
    return nn.Sequential(*stages)


def build(
    *,
    outputs: int,
    channels: int,
    size: int,
    depth: int,
    shortcut: Shortcut = "B",
    stride_on: StrideOn = "3x3",
) -> nn.Module:
    """Build a network of table 1.

    `shortcut`: A, B or C. `stride_on`: the convolution of a bottleneck that halves the map, "3x3"
    as in the published weights or "1x1" as in the paper.
    Errors: UsageError for a shortcut or a stride_on that does not exist, and for "1x1" at 18 and
    34 layers, whose blocks have no such convolution. Source: he2016deep.
    """
    del size  # any: the mean over the map takes what the stages leave
    row = TABLE_1[depth]
    if stride_on not in {"3x3", "1x1"}:
        raise UsageError(f"resnet{depth}'s stride_on is 3x3 or 1x1, not {stride_on!r}.")
    if stride_on == "1x1" and not row.bottleneck:
        raise UsageError(
            f"resnet{depth} has no 1x1 convolution that could halve the map: leave stride_on out."
        )
    _check_shortcut(f"resnet{depth}", shortcut)
    stem = nn.Sequential(
        nn.Conv2d(channels, WIDTHS[0], 7, 2, 3, bias=False),
        nn.BatchNorm2d(WIDTHS[0]),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    )
    stages = make_stages(
        WIDTHS[0], WIDTHS, row[1:], shortcut, stride_on if row.bottleneck else None
    )
    return ResNet(stem, stages, WIDTHS[-1] * (EXPANSION if row.bottleneck else 1), outputs)


def build_cifar(
    *, outputs: int, channels: int, size: int, depth: int, shortcut: Shortcut = "A"
) -> nn.Module:
    """Build a network of section 4.2: 6n + 2 layers, n blocks in each of three stages.

    Errors: UsageError for a shortcut other than A, B and C. Source: he2016deep.
    """
    del size  # any: the mean over the map takes what the stages leave
    _check_shortcut(f"resnet{depth}", shortcut)
    stem = nn.Sequential(
        nn.Conv2d(channels, CIFAR_WIDTHS[0], 3, 1, 1, bias=False),
        nn.BatchNorm2d(CIFAR_WIDTHS[0]),
        nn.ReLU(inplace=True),
    )
    stages = make_stages(CIFAR_WIDTHS[0], CIFAR_WIDTHS, SECTION_4_2[depth], shortcut, None)
    return ResNet(stem, stages, CIFAR_WIDTHS[-1], outputs)


def _check_shortcut(name: str, shortcut: str) -> None:
    """Refuse shortcuts that the paper does not have."""
    if shortcut not in {"A", "B", "C"}:
        raise UsageError(f"{name}'s shortcut is A, B or C, not {shortcut!r}.")


def _imagenet(
    depth: int, params: int, macs: int, errors: tuple[float, float | None], table: int
) -> Architecture:
    """Return what is known of a network of table 1; its errors are those of 10 crops."""
    versions = ("V2", "V1") if depth >= 50 else ("V1",)
    return Architecture(
        name=f"resnet{depth}",
        builder=build,
        variant={"depth": depth},
        least_size=1,
        design_size=224,
        params=params,
        macs=macs,
        year=2015,
        source="he2016deep",
        summary=f"ResNet of {depth} layers: blocks that add to what they got",
        errors=PublishedErrors(
            top1=errors[0],
            top5=errors[1],
            data="ImageNet 2012 validation",
            crops="10 crops",
            source=f"he2016deep, table {table}",
        ),
        weights=tuple(
            PublishedWeights(origin=f"torchvision:resnet{depth}.IMAGENET1K_{version}")
            for version in versions
        ),
    )


def _cifar(depth: int, params: int, macs: int, error: float) -> Architecture:
    """Return what is known of a network of section 4.2."""
    return Architecture(
        name=f"resnet{depth}",
        builder=build_cifar,
        variant={"depth": depth},
        least_size=1,
        design_size=32,
        design_outputs=10,
        params=params,
        macs=macs,
        year=2015,
        source="he2016deep",
        summary=f"ResNet of {depth} layers for small pictures, made for CIFAR-10",
        errors=PublishedErrors(
            top1=error,
            top5=None,
            data="CIFAR-10 test",
            crops="whole picture",
            source="he2016deep, table 6",
        ),
    )


NETWORKS: Final = (
    _imagenet(18, 11_689_512, 1_814_073_344, (27.88, None), 2),
    _imagenet(34, 21_797_672, 3_663_761_408, (24.52, 7.46), 3),
    _imagenet(50, 25_557_032, 4_089_184_256, (22.85, 6.71), 3),
    _imagenet(101, 44_549_160, 7_801_405_440, (21.75, 6.05), 3),
    _imagenet(152, 60_192_808, 11_513_626_624, (21.43, 5.71), 3),
    _cifar(20, 269_722, 40_551_040, 8.75),
    _cifar(32, 464_154, 68_862_592, 7.51),
    _cifar(44, 658_586, 97_174_144, 7.17),
    _cifar(56, 853_018, 125_485_696, 6.97),
    _cifar(110, 1_727_962, 252_887_680, 6.43),
)
