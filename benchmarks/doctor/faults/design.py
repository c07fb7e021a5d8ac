"""Faults of the network's design."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from benchmarks.doctor.faults.fault import (
    ACTIVATIONS,
    Change,
    Fault,
    each,
    network,
    numbers,
    swap,
)


def _no_activation(net: nn.Module) -> None:
    swap(net, ACTIVATIONS, lambda _: nn.Identity())


def _pointwise(net: nn.Module) -> None:
    """Make every convolution see one place; what shrinks maps is pooling as before."""

    def narrowed(conv: nn.Conv2d) -> nn.Conv2d:
        return nn.Conv2d(
            conv.in_channels, conv.out_channels, 1, conv.stride, groups=conv.groups,
            bias=conv.bias is not None,
        )  # fmt: skip

    swap(net, (nn.Conv2d,), narrowed)


def _averaged(net: Any) -> None:
    """Read the classes from what the mean place shows: no layer sees two places together."""
    _pointwise(net)
    swap(net.features, (nn.MaxPool2d,), _blind)
    repeated = _Repeated()
    repeated.size = _side_of(net)
    net.features = nn.Sequential(*net.features, nn.AdaptiveAvgPool2d(1), repeated)


def _blind(pool: nn.MaxPool2d) -> nn.Module:
    """Return what shrinks maps as a pooling does, and else looks at one place."""
    return nn.Identity() if pool.stride == 1 else nn.AvgPool2d(pool.kernel_size)


def _side_of(net: Any) -> int:
    """Return the side of the map that the rest of the network was built for."""
    linear = next((one for one in net.hidden if isinstance(one, nn.Linear)), None)
    if linear is None:
        return 1
    channels = [one for one in net.features if isinstance(one, nn.Conv2d)][-1].out_channels
    return round((linear.in_features / channels) ** 0.5)


class _Repeated(nn.Module):
    """Brings the map back to the size that the rest of the network was built for."""

    size = 1

    def forward(self, maps: Tensor) -> Tensor:
        return nn.functional.interpolate(maps, size=(self.size, self.size))


def _early_downsampling(net: Any) -> None:
    layers = list(net.features)
    repeated = _Repeated()
    repeated.size = _side_of(net)
    first = next(place for place, one in enumerate(layers) if isinstance(one, nn.Conv2d))
    layers.insert(first + 1, nn.AdaptiveMaxPool2d(1))
    kept = [one for one in layers if not isinstance(one, nn.MaxPool2d)]
    net.features = nn.Sequential(*kept, repeated)


def _bottleneck(net: Any) -> None:
    """Squeeze what goes to the head through one number."""
    width = net.head.in_features
    net.hidden = nn.Sequential(
        *net.hidden, nn.Linear(width, 1), nn.ReLU(), nn.Linear(1, width), nn.ReLU()
    )


def _sigmoids(net: Any) -> None:
    """Put eight sigmoid layers before the head."""
    width = net.head.in_features
    layers = [layer for _ in range(8) for layer in (nn.Linear(width, width), nn.Sigmoid())]
    net.hidden = nn.Sequential(*net.hidden, *layers)


def _deep_tanh(net: Any) -> None:
    """Put ten tanh layers with small weights before the head."""
    width = net.head.in_features
    layers: list[nn.Module] = []
    for _ in range(10):
        linear = nn.Linear(width, width)
        with torch.no_grad():
            linear.weight.mul_(0.3)
        layers += [linear, nn.Tanh()]
    net.hidden = nn.Sequential(*net.hidden, *layers)


def _dropout_first(net: Any) -> None:
    """Drop maps before each batch normalisation: its variance is another in evaluation."""
    swap(net.features, (nn.BatchNorm2d,), lambda norm: nn.Sequential(nn.Dropout(0.6), norm))


def _large_head(net: Any) -> None:
    """Put 99% of the parameters into two linear layers."""
    width = net.head.in_features
    net.hidden = nn.Sequential(*net.hidden, nn.Linear(width, 2000), nn.ReLU(), nn.Dropout(0.2))
    net.head = nn.Linear(2000, net.head.out_features)


def _even_kernels(net: nn.Module) -> None:
    """Make kernels 4 by 4 with asymmetric padding, where the stride is 1."""

    def even(conv: nn.Conv2d) -> nn.Module:
        if conv.kernel_size != (3, 3) or conv.stride != (1, 1) or conv.groups != 1:
            return conv
        return nn.Conv2d(
            conv.in_channels, conv.out_channels, 4, bias=conv.bias is not None, padding="same"
        )

    swap(net, (nn.Conv2d,), even)


def _bias_before_norm(net: nn.Module) -> None:
    def biased(conv: nn.Conv2d) -> nn.Conv2d:
        return nn.Conv2d(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
            groups=conv.groups, bias=True,
        )  # fmt: skip

    swap(net, (nn.Conv2d,), biased)


_NORM: Final[Change] = numbers(norm=True)

FAULTS: Final = (
    Fault(name="no-activation", family="design", change=network(_no_activation),
          accepted=("design/no-activation", "fit/underfitting")),
    Fault(name="pointwise-only", family="design", change=network(_averaged),
          accepted=("design/pointwise-only", "design/small-field", "fit/underfitting")),
    Fault(name="early-downsampling", family="design", change=network(_early_downsampling),
          accepted=("design/early-downsampling", "fit/underfitting")),
    Fault(name="bottleneck-of-one", family="design", change=network(_bottleneck),
          accepted=("design/bottleneck", "unit/dead", "design/capacity", "fit/underfitting")),
    Fault(name="eight-sigmoids", family="design", change=network(_sigmoids),
          accepted=("gradient/vanishing", "unit/saturated", "design/other")),
    Fault(name="ten-small-tanhs", family="design", change=network(_deep_tanh),
          accepted=("gradient/vanishing", "initialisation/scale", "design/other")),
    Fault(name="too-narrow", family="design", change=numbers(width=0.1),
          accepted=("design/capacity", "fit/underfitting", "design/bottleneck")),
    Fault(name="dropout-before-normalisation", family="design", change=network(_dropout_first),
          accepted=("design/dropout-before-normalisation", "normalisation/train-eval",
                    "normalisation/drift", "fit/over-regularised"), base=_NORM),
    Fault(name="dropout-of-all-but-a-tenth", family="design",
          change=each(numbers(dropout=0.95)), accepted=("fit/over-regularised",)),
    Fault(name="large-head", family="design", change=network(_large_head),
          accepted=("design/large-head",), expected_harmless=True),
    Fault(name="even-kernels", family="design", change=network(_even_kernels),
          accepted=("design/other",), expected_harmless=True),
    Fault(name="bias-before-normalisation", family="design", change=network(_bias_before_norm),
          accepted=("design/other",), base=_NORM, expected_harmless=True),
)  # fmt: skip
