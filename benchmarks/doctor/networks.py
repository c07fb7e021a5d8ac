"""The networks of the suite: small, each of another kind, with the parts that faults change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, nn

Activation = Callable[[], nn.Module]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a network is built for, and how."""

    channels: int
    classes: int
    side: int
    norm: bool | None = None
    """Whether it normalises batches; None: as its kind does."""
    activation: Activation | None = None
    """None: as its kind does."""
    width: float = 1.0
    dropout: float | None = None
    """None: as its kind does."""


def _normalised(wanted: bool, channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels)] if wanted else []


def _pools(side: int) -> int:
    """Return how many halvings leave a map of at least 4."""
    return 2 if side >= 16 else 1


class Plain(nn.Module):
    """Convolutions and pooling, then two linear layers, as LeNet-5."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        act = shape.activation or nn.ReLU
        one, two = max(round(12 * shape.width), 1), max(round(24 * shape.width), 1)
        hidden = max(round(64 * shape.width), 1)
        norm = bool(shape.norm)
        side = shape.side // 2 ** _pools(shape.side)
        self.features = nn.Sequential(
            nn.Conv2d(shape.channels, one, 3, padding=1), *_normalised(norm, one), act(),
            nn.MaxPool2d(2),
            nn.Conv2d(one, two, 3, padding=1), *_normalised(norm, two), act(),
            *([nn.MaxPool2d(2)] if _pools(shape.side) > 1 else []),
            nn.Conv2d(two, two, 3, padding=1), *_normalised(norm, two), act(),
        )  # fmt: skip
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(
            nn.Linear(two * side * side, hidden), act(), nn.Dropout(shape.dropout or 0.0)
        )
        self.head = nn.Linear(hidden, shape.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, (n, classes), of pictures, (n, channels, side, side)."""
        return self.head(self.hidden(self.flatten(self.features(pictures))))


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: bool, act: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not norm),
            *_normalised(norm, outputs),
            act(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=not norm),
            *_normalised(norm, outputs),
        )
        same = stride == 1 and inputs == outputs
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=not norm), *_normalised(norm, outputs)
            )
        )
        self.act = act()

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of half the side where the stride is 2."""
        return self.act(self.body(maps) + self.skip(maps))


class Residual(nn.Module):
    """A small residual network with batch normalisation."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        act = shape.activation or nn.ReLU
        norm = shape.norm is not False
        widths = [max(round(number * shape.width), 1) for number in (12, 24, 32)]
        first = 1 if shape.side < 16 else 2
        self.features = nn.Sequential(
            nn.Conv2d(shape.channels, widths[0], 3, first, 1, bias=not norm),
            *_normalised(norm, widths[0]),
            act(),
            Block(widths[0], widths[0], 1, norm, act),
            Block(widths[0], widths[1], 2, norm, act),
            Block(widths[1], widths[2], 2, norm, act),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(nn.Dropout(shape.dropout or 0.0))
        self.head = nn.Linear(widths[2], shape.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, (n, classes), of pictures, (n, channels, side, side)."""
        return self.head(self.hidden(self.flatten(self.pool(self.features(pictures)))))


class Squeeze(nn.Module):
    """Squeeze and excitation: scales channels by what the whole map holds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, max(channels // 4, 4), 1),
            nn.ReLU(),
            nn.Conv2d(max(channels // 4, 4), channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return maps * self.gate(maps)


def _separable(inputs: int, outputs: int, stride: int, norm: bool, act: Activation) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=not norm),
        *_normalised(norm, inputs),
        act(),
        *([Squeeze(inputs)] if stride == 2 else []),
        nn.Conv2d(inputs, outputs, 1, bias=not norm),
        *_normalised(norm, outputs),
        act(),
    )


class Depthwise(nn.Module):
    """Depthwise separable convolutions with squeeze and excitation."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        act = shape.activation or nn.ReLU6
        norm = shape.norm is not False
        widths = [max(round(number * shape.width), 1) for number in (12, 24, 32, 48)]
        first = 1 if shape.side < 16 else 2
        self.features = nn.Sequential(
            nn.Conv2d(shape.channels, widths[0], 3, first, 1, bias=not norm),
            *_normalised(norm, widths[0]),
            act(),
            _separable(widths[0], widths[1], 1, norm, act),
            _separable(widths[1], widths[2], 2, norm, act),
            _separable(widths[2], widths[3], 1, norm, act),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(nn.Dropout(shape.dropout or 0.0))
        self.head = nn.Linear(widths[3], shape.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, (n, classes), of pictures, (n, channels, side, side)."""
        return self.head(self.hidden(self.flatten(self.pool(self.features(pictures)))))


class Stacked(nn.Module):
    """Pairs of convolutions between pooling, and a classifier with dropout, as VGG."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        act = shape.activation or nn.ReLU
        norm = bool(shape.norm)
        widths = [max(round(number * shape.width), 1) for number in (16, 32)]
        dropout = 0.2 if shape.dropout is None else shape.dropout
        layers: list[nn.Module] = []
        inputs, side = shape.channels, shape.side
        for width, strides in zip(widths, ((2 if side >= 28 else 1, 1), (1, 1)), strict=True):
            for stride in strides:
                layers += [
                    nn.Conv2d(inputs, width, 3, stride, 1), *_normalised(norm, width), act()
                ]  # fmt: skip
                inputs = width
                side //= stride
            layers.append(nn.MaxPool2d(2))
            side //= 2
        hidden = max(round(64 * shape.width), 1)
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(
            nn.Linear(widths[1] * side**2, hidden), act(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(hidden, shape.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, (n, classes), of pictures, (n, channels, side, side)."""
        return self.head(self.hidden(self.flatten(self.features(pictures))))


def _convolved(
    inputs: int, outputs: int, kernel: int, norm: bool, act: Activation
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=not norm),
        *_normalised(norm, outputs),
        act(),
    ]


class Branches(nn.Module):
    """Convolutions of several sizes and pooling side by side, as a module of Inception."""

    def __init__(self, inputs: int, width: int, norm: bool, act: Activation) -> None:
        super().__init__()
        self.small = nn.Sequential(*_convolved(inputs, width, 1, norm, act))
        self.middle = nn.Sequential(
            *_convolved(inputs, width, 1, norm, act), *_convolved(width, 2 * width, 3, norm, act)
        )
        self.large = nn.Sequential(
            *_convolved(inputs, width, 1, norm, act), *_convolved(width, width, 5, norm, act)
        )
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), *_convolved(inputs, width, 1, norm, act)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps of all branches, five times the width."""
        branches = (self.small, self.middle, self.large, self.pooled)
        return torch.cat([branch(maps) for branch in branches], dim=1)


class Branched(nn.Module):
    """Two modules of branches with batch normalisation, and average pooling to nine places."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        act = shape.activation or nn.ReLU
        norm = shape.norm is not False
        stem, one, two = (max(round(number * shape.width), 1) for number in (12, 6, 12))
        self.features = nn.Sequential(
            *_convolved(shape.channels, stem, 3, norm, act),
            Branches(stem, one, norm, act),
            nn.MaxPool2d(2),
            Branches(5 * one, two, norm, act),
        )
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(nn.Dropout(shape.dropout or 0.0))
        self.head = nn.Linear(45 * two, shape.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, (n, classes), of pictures, (n, channels, side, side)."""
        return self.head(self.hidden(self.flatten(self.pool(self.features(pictures)))))


class Growing(nn.Module):
    """A layer whose maps are put beside those it got, as in DenseNet."""

    def __init__(self, inputs: int, more: int, norm: bool, act: Activation) -> None:
        super().__init__()
        self.layer = nn.Sequential(*_convolved(inputs, more, 3, norm, act))

    def forward(self, maps: Tensor) -> Tensor:
        """Return `more` maps more."""
        return torch.cat([maps, self.layer(maps)], dim=1)


class Dense(nn.Module):
    """Densely connected layers with ELU and without normalisation, and a hidden layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        act = shape.activation or nn.ELU
        norm = bool(shape.norm)
        stem, more, last, hidden = (max(round(n * shape.width), 1) for n in (16, 8, 32, 48))
        first = 2 if shape.side >= 28 else 1
        self.features = nn.Sequential(
            nn.Conv2d(shape.channels, stem, 3, first, 1, bias=not norm),
            *_normalised(norm, stem),
            act(),
            Growing(stem, more, norm, act),
            Growing(stem + more, more, norm, act),
            nn.MaxPool2d(2),
            Growing(stem + 2 * more, more, norm, act),
            Growing(stem + 3 * more, more, norm, act),
            *_convolved(stem + 4 * more, last, 1, norm, act),
        )
        self.pool = nn.AdaptiveMaxPool2d(4)
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(
            nn.Linear(16 * last, hidden), act(), nn.Dropout(shape.dropout or 0.0)
        )
        self.head = nn.Linear(hidden, shape.classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits, (n, classes), of pictures, (n, channels, side, side)."""
        return self.head(self.hidden(self.flatten(self.pool(self.features(pictures)))))


def hubelnet(shape: Shape) -> nn.Module:
    """Return hubel's own default network, as it is."""
    from hubel.architectures import ARCHITECTURES

    return ARCHITECTURES["hubelnet"].build(
        outputs=shape.classes, channels=shape.channels, size=shape.side
    )


NETWORKS: Final[Mapping[str, Callable[[Shape], nn.Module]]] = MappingProxyType(
    {
        "plain": Plain,
        "residual": Residual,
        "depthwise": Depthwise,
        "stacked": Stacked,
        "branched": Branched,
        "dense": Dense,
        "hubelnet": hubelnet,
    }
)
