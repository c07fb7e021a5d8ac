"""The plain pattern of convolutional networks: [(CONV-RELU)*N - POOL?]*M - (FC-RELU)*K, then FC.

argument           pattern   what
convolutions       N         convolutions 3x3 with padding 1 a stage
stages             M         each has twice the maps of the stage before it
fully_connected    K         full connections of `units` before the last one
width              -         maps of the first stage
pool               POOL?     maximum 2x2 with stride 2 after each stage, or nothing

`all_convolutional=true` is the network without pooling and without full connections: a 3x3
convolution of stride 2 with its ReLU in place of each pooling, 1x1 convolutions in place of the
full connections, and the mean over the picture at the end (the All-CNN of springenberg2015striving,
section 2 and table 2; its numbers of layers and maps are other ones).

The pattern is older than any paper; weights start as in he2015delving (variance 2 / fan_in), the
last layer with deviation 0.01. Designed for 32x32: other sides are averaged, before the full
connections, to the side that 32 would leave.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal

from torch import nn

from hubel.architectures.architecture import Architecture
from hubel.errors import UsageError

SIDE: Final = 32
CONVOLUTIONS: Final = 2
STAGES: Final = 3
FULLY_CONNECTED: Final = 1
WIDTH: Final = 32
UNITS: Final = 256

Reduction = Literal["pooling", "stride", "none"]
"""What ends a stage."""


def conv_relu(inputs: int, maps: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Return CONV-RELU: (n, inputs, h, w) becomes (n, maps, ceil(h / stride), ceil(w / stride))."""
    return [nn.Conv2d(inputs, maps, kernel, stride, kernel // 2), nn.ReLU(inplace=True)]


def stages_of(
    channels: int, convolutions: int, stages: int, width: int, reduction: Reduction
) -> OrderedDict[str, nn.Module]:
    """Return [(CONV-RELU)*N - POOL?]*M: (n, channels, h, w) becomes (n, width 2^(M-1), h', w')."""
    found = OrderedDict[str, nn.Module]()
    inputs = channels
    for number in range(stages):
        maps = width * 2**number
        layers: list[nn.Module] = []
        for _ in range(convolutions):
            layers += conv_relu(inputs, maps)
            inputs = maps
        if reduction == "pooling":
            layers.append(nn.MaxPool2d(2))
        elif reduction == "stride":
            layers += conv_relu(maps, maps, stride=2)
        found[f"stage{number + 1}"] = nn.Sequential(*layers)
    return found


def full_connections(inputs: int, units: int, number: int, outputs: int) -> nn.Sequential:
    """Return (FC-RELU)*K and the last full connection: (n, inputs) becomes (n, outputs)."""
    layers: list[nn.Module] = []
    for _ in range(number):
        layers += [nn.Linear(inputs, units), nn.ReLU(inplace=True)]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def pixelwise(inputs: int, units: int, number: int, outputs: int) -> nn.Sequential:
    """Return the same as 1x1 convolutions: (n, inputs, h, w) becomes (n, outputs, h, w)."""
    layers: list[nn.Module] = []
    for _ in range(number):
        layers += conv_relu(inputs, units, kernel=1)
        inputs = units
    return nn.Sequential(*layers, nn.Conv2d(inputs, outputs, 1))


def build(
    *,
    outputs: int,
    channels: int,
    size: int,
    convolutions: int = CONVOLUTIONS,
    stages: int = STAGES,
    fully_connected: int = FULLY_CONNECTED,
    width: int = WIDTH,
    units: int = UNITS,
    pool: bool = True,
    all_convolutional: bool = False,
) -> nn.Module:
    """Build the pattern: (n, channels, size, size) becomes (n, outputs).

    Errors: UsageError for numbers below 1 (`fully_connected`: below 0), for more stages than the
    size can be halved, and for `all_convolutional` without `pool`.
    """
    _check_numbers(convolutions=convolutions, stages=stages, width=width, units=units)
    if fully_connected < 0:
        raise UsageError(f"plain's fully_connected must be at least 0, not {fully_connected}.")
    if all_convolutional and not pool:
        raise UsageError(
            "plain's all_convolutional=true puts strides in the place of pooling, so it does not "
            "go with pool=false; leave one of them out."
        )
    reduction: Reduction = "stride" if all_convolutional else "pooling" if pool else "none"
    if reduction == "pooling" and size < 2**stages:
        raise UsageError(
            f"plain with {stages} stages needs pictures of at least {2**stages} pixels a side, not "
            f"{size}; set fewer stages."
        )
    layers = stages_of(channels, convolutions, stages, width, reduction)
    maps = width * 2 ** (stages - 1)
    if all_convolutional:
        layers["classifier"] = pixelwise(maps, units, fully_connected, outputs)
        layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
    else:
        side = max(1, SIDE >> stages) if pool else SIDE
        layers["avgpool"] = nn.AdaptiveAvgPool2d(side)
        layers["flatten"] = nn.Flatten()
        layers["classifier"] = full_connections(maps * side**2, units, fully_connected, outputs)
    network = nn.Sequential(layers)
    _initialise(network)
    return network


def _check_numbers(**numbers: int) -> None:
    """Refuse what must be at least 1 and is not."""
    for name, value in numbers.items():
        if value < 1:
            raise UsageError(f"plain's {name} must be at least 1, not {value}.")


def _initialise(network: nn.Sequential) -> None:
    """Draw the weights; the biases start from 0."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    nn.init.normal_(layers[-1].weight, std=0.01)


NETWORKS: Final = (
    Architecture(
        name="plain",
        builder=build,
        least_size=2**STAGES,
        design_size=SIDE,
        design_outputs=10,
        params=814_122,
        macs=39_160_320,
        year=2015,
        source="springenberg2015striving",
        summary="the pattern [(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K, or all convolutional",
    ),
)
