"""How the drawings of the Inception papers become modules: chains of layers that split and join.

A drawing of these papers is a set of branches between one input and one concatenation. Here a
branch is a tuple of `Conv`, `Pool` and `Split`, from the input to the concatenation, so that a
figure is one literal. "V" in the papers is `valid=True`: no padding; all else keeps the side at
stride 1. Batch normalisation and ReLU follow a convolution unless another unit is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, final

import torch
from torch import Tensor, nn

from hubel.errors import UsageError
from hubel.nn.normalised import Kernel, conv_norm_activation

EPSILON: Final = 1e-3  # of batch normalisation in the released Inception networks


class Conv(NamedTuple):
    """A convolution: "3x3 Conv (96 stride 2 V)" is `Conv(96, 3, 2, valid=True)`."""

    filters: int
    kernel: Kernel
    """Its side, or height and width: "1x7" is (1, 7)."""
    stride: int = 1
    valid: bool = False


class Pool(NamedTuple):
    """Pooling over 3x3."""

    kind: Literal["max", "average"]
    stride: int = 1
    valid: bool = False
    count_padding: bool = False
    """Whether a mean at the border counts the zeros around the map."""


class Split(NamedTuple):
    """Branches that read the same maps and are concatenated in this order."""

    branches: tuple[Branch, ...]


Branch: TypeAlias = tuple[Conv | Pool | Split, ...]


class Unit(Protocol):
    """Makes the module of one convolution, with what follows it."""

    def __call__(
        self,
        inputs: int,
        outputs: int,
        kernel: Kernel,
        *,
        stride: int,
        padding: int | tuple[int, int] | None,
    ) -> nn.Module:
        """Return it; `padding` None keeps the side at stride 1."""
        ...


def normalised(
    inputs: int,
    outputs: int,
    kernel: Kernel,
    *,
    stride: int,
    padding: int | tuple[int, int] | None,
) -> nn.Module:
    """Return convolution, batch normalisation and ReLU."""
    norm = partial(nn.BatchNorm2d, eps=EPSILON)
    return conv_norm_activation(inputs, outputs, kernel, stride=stride, padding=padding, norm=norm)


@final
class Concatenation(nn.Module):
    """Branches side by side: (n, inputs, h, w) becomes (n, sum of their maps, h', w')."""

    def __init__(self, branches: Iterable[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps of all branches, in order."""
        return torch.cat([branch(inputs) for branch in self.branches], 1)


@final
class ScaledResidual(nn.Module):
    """relu(x + scale · linear(branches(x))): the shape stays.

    `linear` is a 1x1 convolution with bias and without normalisation, which brings the branches
    back to the maps of x. Source: szegedy2017inception (section 3.3, figure 20).
    """

    def __init__(self, inputs: int, branches: Split, scale: float, *, relu: bool = True) -> None:
        super().__init__()
        self.branches, width = concatenation(inputs, branches)
        self.linear = nn.Conv2d(width, inputs, 1)
        self.scale = scale
        self.act = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activations."""
        return self.act(self.linear(self.branches(inputs)) * self.scale + inputs)


def concatenation(inputs: int, split: Split, unit: Unit = normalised) -> tuple[Concatenation, int]:
    """Return the module of a split and the maps that it gives."""
    parts = [chain(inputs, branch, unit) for branch in split.branches]
    return Concatenation(module for module, _ in parts), sum(maps for _, maps in parts)


def chain(inputs: int, branch: Branch, unit: Unit = normalised) -> tuple[nn.Sequential, int]:
    """Return the modules of a branch in a row and the maps that they give."""
    modules: list[nn.Module] = []
    maps = inputs
    for layer in branch:
        match layer:
            case Conv(filters, kernel, stride, valid):
                padding = 0 if valid else None
                modules.append(unit(maps, filters, kernel, stride=stride, padding=padding))
                maps = filters
            case Pool():
                modules.append(pooling(layer))
            case Split():
                module, maps = concatenation(maps, layer, unit)
                modules.append(module)
    return nn.Sequential(*modules), maps


def pooling(pool: Pool) -> nn.Module:
    """Return the module of a pooling."""
    padding = 0 if pool.valid else 1
    if pool.kind == "max":
        return nn.MaxPool2d(3, pool.stride, padding)
    return nn.AvgPool2d(3, pool.stride, padding, count_include_pad=pool.count_padding)


def head(inputs: int, outputs: int, dropout: float) -> tuple[tuple[str, nn.Module], ...]:
    """Return the named layers that end all of these networks: mean, dropout, linear."""
    return (
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("dropout", nn.Dropout(dropout)),
        ("fc", nn.Linear(inputs, outputs)),
    )


class Residuals(NamedTuple):
    """A row of equal residual modules."""

    branches: Split
    scale: float
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualTable:
    """The drawings of one Inception-ResNet, from the picture to the mean."""

    stem: Branch
    a: Residuals
    reduction_a: Split
    b: Residuals
    reduction_b: Split
    c: Residuals
    last_scale: float | None = None
    """Scale of one more module of `c`, without ReLU after its sum; None for no such module."""
    top: Branch = ()
    """What stands between the last module and the mean."""


def inception_resnet(
    table: ResidualTable, *, outputs: int, channels: int, dropout: float
) -> nn.Sequential:
    """Return the network of a table: (n, channels, s, s) becomes logits (n, outputs).

    Weights are drawn as in the released code. Source: szegedy2017inception (figure 15).
    """
    stem, maps = chain(channels, table.stem)
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    for name, row, reduction in (
        ("a", table.a, table.reduction_a),
        ("b", table.b, table.reduction_b),
        ("c", table.c, None),
    ):
        for number in range(1, row.times + 1):
            block = ScaledResidual(maps, row.branches, row.scale)
            layers[f"inception_resnet_{name}_{number}"] = block
        if reduction is not None:
            layers[f"reduction_{name}"], maps = concatenation(maps, reduction)
    if table.last_scale is not None:
        block = ScaledResidual(maps, table.c.branches, table.last_scale, relu=False)
        layers["inception_resnet_c_last"] = block
    if table.top:
        layers["top"], maps = chain(maps, table.top)
    layers.update(head(maps, outputs, dropout))
    network = nn.Sequential(layers)
    initialise_by_glorot(network)
    return network


def check_size(name: str, size: int, least: int, layer: str) -> None:
    """Raise UsageError for pictures so small that `layer` of the network has no pixel to give."""
    if size < least:
        raise UsageError(
            f"{name} needs pictures of at least {least} pixels a side, not {size}: "
            f"below, {layer} runs out of pixels."
        )


def initialise_by_variance(network: nn.Module) -> None:
    """Draw all weights from a normal distribution of variance 2 / fan-in; biases are zero.

    The released Inception networks cut the distribution at two deviations and widen it by 1.3 so
    that the variance stays. Here it is not cut: inception_v3 is then built in 0.4 s, not 5.4 s (one
    run each, one thread of an AMD EPYC, torch 2.14).
    Source: he2015delving.
    """
    if next(network.parameters()).is_meta:
        return  # no numbers to draw: to try would take most of the time of building
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def initialise_by_glorot(network: nn.Module) -> None:
    """Draw all weights uniformly within ± sqrt(6 / (fan-in + fan-out)); biases are zero.

    Source: glorot2010understanding.
    """
    if next(network.parameters()).is_meta:
        return
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
