"""hubel's default network: small, for any input size, made for accuracy a second on processors.

part      side       maps           what
stem      S / s      w              convolution 3x3, or s x s of stride s on large pictures
stage 1   S / 2s     2w             convolution 3x3, max-pooling
stage 2   S / 4s     4w             the same
stage 3   S / 8s     8w             the same, then a residual pair of convolutions 3x3
head      -          outputs        mean over the side, linear

The stem's stride s keeps the costly first stage small: 1 below 48 pixels, 2 below 96, else 4.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn
from torch.nn import functional as F

from hubel.errors import UsageError

LEAST_SIZE: Final = 8
STRIDES: Final = ((48, 1), (96, 2))
LARGEST_STRIDE: Final = 4
STAGES: Final = 3


class ConvBlock(nn.Module):
    """Convolution without bias, optional 2x2 max-pooling, batch normalisation, ReLU.

    Pooling before the normalisation makes it four times cheaper. Source: ioffe2015batch.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, pool: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, (kernel - stride + 1) // 2, bias=False
        )
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activations: (n, inputs, h, w) becomes (n, outputs, h', w')."""
        return F.relu(self.bn(self.pool(self.conv(inputs))))


class ResidualPair(nn.Module):
    """x + block(block(x)), the shape stays. Source: he2016deep."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.first = ConvBlock(maps, maps, 3, pool=False)
        self.second = ConvBlock(maps, maps, 3, pool=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the sum of the maps and what two blocks make of them."""
        return inputs + self.second(self.first(inputs))


class HubelNet(nn.Module):
    def __init__(
        self, outputs: int, channels: int, size: int, width: int, pairs: int, stemk: int = 0
    ) -> None:
        super().__init__()
        stride = next((s for below, s in STRIDES if size < below), LARGEST_STRIDE)
        self.stem = ConvBlock(channels, width, max(3, stride), stride=stride, pool=False)
        stages = []
        for stage in range(STAGES):
            stages.append(ConvBlock(width, 2 * width, 3, pool=True))
            width *= 2
        stages += [ResidualPair(width) for _ in range(pairs)]
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(width, outputs)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(inputs)).mean((2, 3)))


def build(*, outputs: int, channels: int, size: int, width: int = 16, pairs: int = 1) -> nn.Module:
    return HubelNet(outputs, channels, size, width, pairs)
