"""hubel's default network: small, for any input size, made for accuracy a second on processors.

part       side    maps      what
stem       S / 2s  w         convolution, stride s, then max-pooling 2x2: 3x3 where s is 1 or 2,
                             7x7 where s is 4
stage 1    S / 4s  2w        convolution 3x3, then max-pooling 2x2
stage 2    S / 8s  4w        the same, then residual pairs of convolutions 3x3
head       -       outputs   mean over the picture, linear

Every convolution is followed by batch normalisation and ReLU. The stem is wide and cheap, since it
sees few channels; its stride (s = 1 for pictures below 48 pixels a side, 2 below 96, else 4) and
its pooling keep the costly convolutions between many maps away from large sides. A stage's
convolution costs the same in both (half the side, twice the maps, both ways), so neither starves;
pooling comes before normalisation and ReLU, which then touch a quarter of the values. The mean at
the end takes any size that stage 2 leaves.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from hubel.architectures.architecture import Architecture
from hubel.errors import UsageError

STEM: Final = (  # pictures below this side, stride, kernel
    (48, 1, 3),
    (96, 2, 3),
    (None, 4, 7),
)
STAGES: Final = 2
LEAST_SIZE: Final = 8
WIDTH: Final = 32
PAIRS: Final = 1


class ConvBlock(nn.Module):
    """relu(bn(pool(conv(x)))): (n, inputs, h, w) becomes (n, outputs, h', w').

    The side becomes h' = ceil(h / stride), halved and rounded down by pooling. At the start the
    first maps are the inputs themselves (a kernel of one 1), the others random: information comes
    through from the first step. Source: ioffe2015batch, jordan2024airbench.
    """

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, pool: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        nn.init.dirac_(self.conv.weight.detach()[:inputs])

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activations."""
        return self.relu(self.bn(self.pool(self.conv(inputs))))


class ResidualPair(nn.Module):
    """x + block(block(x)), the shape stays. Source: he2016deep."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.first = ConvBlock(maps, maps)
        self.second = ConvBlock(maps, maps)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps plus what two blocks make of them."""
        return inputs + self.second(self.first(inputs))


class HubelNet(nn.Module):
    """The network of the table above: (n, channels, S, S) becomes logits (n, outputs)."""

    def __init__(self, outputs: int, channels: int, size: int, width: int, pairs: int) -> None:
        super().__init__()
        stride, kernel = next((s, k) for side, s, k in STEM if side is None or size < side)
        self.stem = ConvBlock(channels, width, kernel=kernel, stride=stride, pool=True)
        maps = [width * 2**stage for stage in range(STAGES + 1)]
        stages = [ConvBlock(maps[i], maps[i + 1], pool=True) for i in range(STAGES)]
        self.stages = nn.Sequential(*stages, *(ResidualPair(maps[-1]) for _ in range(pairs)))
        self.head = nn.Linear(maps[-1], outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of a batch of pictures."""
        return self.head(self.stages(self.stem(inputs)).mean((2, 3)))


def build(
    *, outputs: int, channels: int, size: int, width: int = WIDTH, pairs: int = PAIRS
) -> nn.Module:
    """Build hubel's default network; `width` scales every layer, `pairs` deepens the last stage.

    Errors: UsageError for a size below 8, a width below 1 and negative pairs.
    """
    for name, value, least in (
        ("size", size, LEAST_SIZE),
        ("width", width, 1),
        ("pairs", pairs, 0),
    ):
        if value < least:
            raise UsageError(f"hubelnet's {name} must be at least {least}, not {value}.")
    return HubelNet(outputs, channels, size, width, pairs)


NETWORKS: Final = (
    Architecture(
        name="hubelnet",
        builder=build,
        least_size=LEAST_SIZE,
        design_size=128,
        params=521_736,
        macs=19_100_672,
        year=2026,
        source="hubel",
        summary="small residual network for any input size, fast on processors; the default",
    ),
)
