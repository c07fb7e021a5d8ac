"""The plans of small trainings on the digits: networks, optimizers, schedules, healthy and sick."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def net(
    activation: Callable[[], nn.Module] = nn.ReLU,
    *,
    norm: bool = False,
    depth: int = 2,
    width: int = 16,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return a plain network: `depth` convolutions, the first two of stride 1 and 2, and a head."""
    layers: list[nn.Module] = []
    channels = 1
    for number in range(depth):
        layers.append(nn.Conv2d(channels, width, 3, 2 if number in {1, 3} else 1, 1, bias=not norm))
        layers += [nn.BatchNorm2d(width)] if norm else []
        layers.append(activation())
        channels = width
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(width * 4, 10))


class Residual(nn.Module):
    """x + gain · branch(x)."""

    def __init__(self, width: int, gain: float, *, norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.act2 = nn.ReLU()
        self.gain = gain
        nn.init.kaiming_normal_(self.conv1.weight)
        nn.init.kaiming_normal_(self.conv2.weight)
        if norm:
            nn.init.zeros_(self.norm2.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        inner = self.act1(self.norm1(self.conv1(inputs)))
        return self.act2(inputs + self.gain * self.norm2(self.conv2(inner)))


def residual(*, norm: bool, gain: float, blocks: int = 4) -> nn.Sequential:
    """Return a residual stack."""
    parts = [Residual(12, gain, norm=norm) for _ in range(blocks)]
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, 2, 1), nn.ReLU(), *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(12, 10),
    )  # fmt: skip


def depthwise() -> nn.Sequential:
    """Return separable convolutions with ReLU6 and normalisation, initialised by fan-out."""
    layers: list[nn.Module] = [nn.Conv2d(1, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU6()]
    for stride in (2, 1):
        layers += [nn.Conv2d(16, 16, 3, stride, 1, groups=16, bias=False), nn.BatchNorm2d(16)]
        layers += [nn.ReLU6(), nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    for module in model:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return model


def he(model: nn.Module) -> nn.Module:
    """Give every convolution He's weights."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def scaled(model: nn.Module, factor: float) -> nn.Module:
    """Multiply all weights of layers, not of normalisation."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(factor)
    return model


def filled(
    model: nn.Module, *, weight: float | None = None, bias: float | None = None
) -> nn.Module:
    """Set all weights, or the biases of all layers but the last, to one number."""
    layers = [one for one in model.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for layer in layers:
            if weight is not None:
                layer.weight.fill_(weight)
            if bias is not None and layer is not layers[-1]:
                layer.bias.fill_(bias)
    return model


def zero_head(model: nn.Sequential) -> nn.Module:
    """Set the last layer to 0, as is customary."""
    nn.init.zeros_(model[-1].weight)
    nn.init.zeros_(model[-1].bias)
    return model


def one_cycle(step: int, steps: int) -> float:
    """Return the factor of a one-cycle schedule: up for 30%, then down to 0."""
    top = 0.3 * steps
    return (step + 1) / (top + 1) if step < top else max((steps - step) / (steps - top), 0.0)


def warm_up(step: int, steps: int) -> float:
    return min((step + 1) / 20, 1.0)


def cosine(step: int, steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def restarts(step: int, steps: int) -> float:
    period = steps // 3
    return 0.5 * (1 + math.cos(math.pi * (step % period) / period))


def too_early(step: int, steps: int) -> float:
    return 0.6**step


def long_warm_up(step: int, steps: int) -> float:
    return min((step + 1) / 80, 1.0)


def step_decay(step: int, steps: int) -> float:
    return 1.0 if step < 0.5 * steps else 0.1 if step < 0.75 * steps else 0.01


def constant(step: int, steps: int) -> float:
    return 1.0


def sgd(lr: float = 0.1, momentum: float = 0.0, decay: float = 0.0):
    return lambda ps: torch.optim.SGD(ps, lr, momentum=momentum, weight_decay=decay)


def adam(lr: float = 3e-3, eps: float = 1e-8):
    return lambda ps: torch.optim.Adam(ps, lr, eps=eps)


def adamw(lr: float = 3e-3):
    return lambda ps: torch.optim.AdamW(ps, lr, weight_decay=0.05)


def plain_adam(parameters):
    """Return the optimizer of a plan that names none: Adam."""
    return adam()(parameters)


def bn_net() -> nn.Module:
    """Return the plain network with normalisation."""
    return net(norm=True)


def growing() -> nn.Module:
    """Return a residual stack whose signal grows at each block."""
    return residual(norm=False, gain=3.0, blocks=8)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One training."""

    model: Callable[[], nn.Module] = net
    optimizer: Callable = plain_adam
    schedule: Callable[[int, int], float] = constant
    steps: int = 112
    batch: int = 64
    clip: float = 0.0
    smoothing: float = 0.0
    mixup: bool = False
    factor: float = 1.0
    """Of the inputs."""
    accumulate: int = 1
    shuffled_labels: bool = False
    autocast: str = ""
    divided: float = 1.0
    """What the loss is divided by: in float16, gradients are lost where it is large."""
    imbalanced: bool = False
    """Nine of ten pictures are zeros or ones."""
    classes: int = 10
    pictures: int = 1400
    start: str = ""
    """A run whose network this one goes on with."""
    frozen: bool = False
    """Only the head is trained."""


HEALTHY = {
    "sgd": Plan(optimizer=sgd(0.1)),
    "sgd-momentum": Plan(optimizer=sgd(0.05, 0.9)),
    "sgd-weight-decay": Plan(optimizer=sgd(0.05, 0.9, 5e-4)),
    "sgd-slowish": Plan(optimizer=sgd(0.02, 0.9)),
    "adam": Plan(),
    "adam-1e-3": Plan(optimizer=adam(1e-3)),
    "adam-1e-2": Plan(optimizer=adam(1e-2)),
    "adam-few-steps": Plan(steps=44),
    "adam-3e-4": Plan(optimizer=adam(3e-4), model=lambda: net(norm=True)),
    "adamw-one-cycle": Plan(optimizer=adamw(1e-2), schedule=one_cycle),
    "sgd-warm-up": Plan(optimizer=sgd(0.1, 0.9), schedule=warm_up),
    "bn-sgd": Plan(model=lambda: net(norm=True), optimizer=sgd(0.1, 0.9)),
    "bn-sgd-high": Plan(model=lambda: net(norm=True), optimizer=sgd(0.5, 0.9), schedule=one_cycle),
    "bn-adam": Plan(model=lambda: net(norm=True)),
    "bn-one-cycle": Plan(model=lambda: net(norm=True), optimizer=sgd(0.2, 0.9), schedule=one_cycle),
    "bn-cosine": Plan(model=lambda: net(norm=True), optimizer=sgd(0.1, 0.9), schedule=cosine),
    "restarts": Plan(model=lambda: net(norm=True), optimizer=sgd(0.2, 0.9), schedule=restarts),
    "batch-8": Plan(batch=8, optimizer=adam(2e-3), steps=200),
    "batch-8-sgd": Plan(batch=8, optimizer=sgd(0.02, 0.9), steps=200),
    "long": Plan(model=lambda: net(norm=True), steps=400, pictures=300),
    "long-adam": Plan(steps=400, pictures=300, optimizer=adam(1e-2)),
    "clipped-well": Plan(optimizer=sgd(0.1, 0.9), clip=1.0),
    "clipped-small": Plan(optimizer=sgd(0.5, 0.9), clip=0.1),
    "gelu": Plan(model=lambda: net(nn.GELU, depth=4)),
    "tanh": Plan(model=lambda: net(nn.Tanh)),
    "sigmoid": Plan(model=lambda: net(nn.Sigmoid), optimizer=adam(1e-2), steps=200),
    "deep-relu": Plan(model=lambda: he(net(depth=8)), optimizer=adam(1e-3)),
    "deep-bn": Plan(model=lambda: net(norm=True, depth=10)),
    "he": Plan(model=lambda: he(net())),
    "residual-bn": Plan(model=lambda: residual(norm=True, gain=1.0)),
    "depthwise": Plan(model=depthwise, optimizer=adam(5e-3)),
    "dropout": Plan(model=lambda: net(dropout=0.5)),
    "smoothing": Plan(smoothing=0.1),
    "mixup": Plan(mixup=True),
    "accumulate": Plan(accumulate=2, batch=32),
    "bfloat16": Plan(autocast="bfloat16"),
    "two-classes": Plan(classes=2, pictures=300, steps=80),
    "resumed": Plan(start="bn-adam", model=lambda: net(norm=True)),
    "frozen": Plan(start="adam", frozen=True),
    "bn-init-large": Plan(model=lambda: scaled(net(norm=True), 3.0)),
    "bn-init-x10": Plan(model=lambda: scaled(net(norm=True, depth=4), 10), optimizer=adam(1e-2)),
    "zero-head": Plan(model=lambda: zero_head(net())),
    "group-norm": Plan(model=lambda: net(functools.partial(nn.GroupNorm, 4, 16), depth=2)),
    "elu": Plan(model=lambda: net(nn.ELU, depth=4)),
    "leaky": Plan(model=lambda: net(nn.LeakyReLU, depth=4)),
    "selu": Plan(model=lambda: net(nn.SELU, depth=4)),
    "rmsprop": Plan(optimizer=lambda ps: torch.optim.RMSprop(ps, 1e-3)),
    "rmsprop-eps-1e-3": Plan(optimizer=lambda ps: torch.optim.RMSprop(ps, 1e-3, eps=1e-3)),
    "adagrad": Plan(optimizer=lambda ps: torch.optim.Adagrad(ps, 2e-2)),
    "narrow": Plan(model=lambda: net(norm=True, width=4), steps=200),
    "batch-2": Plan(batch=4, optimizer=adam(1e-3), steps=400),
    "sgd-high": Plan(optimizer=sgd(0.2, 0.9)),
    "bn-sgd-1": Plan(model=lambda: net(norm=True), optimizer=sgd(1.0)),
    "adam-lr-x30": Plan(optimizer=adam(0.1)),
    "imbalanced": Plan(imbalanced=True),
    "weight-decay": Plan(optimizer=sgd(0.1, 0.9, 0.01), model=lambda: net(norm=True)),
    "long-warm-up": Plan(model=bn_net, optimizer=sgd(0.1, 0.9), schedule=long_warm_up),
    "momentum-99-low": Plan(optimizer=sgd(1e-3, 0.99), steps=200, model=lambda: net(norm=True)),
    "tanh-x50": Plan(model=lambda: net(nn.Tanh), factor=50.0),
    "tanh-x50-sgd": Plan(model=lambda: net(nn.Tanh), factor=50.0, optimizer=sgd(0.05, 0.9)),
    "step-decay": Plan(optimizer=sgd(0.1, 0.9), schedule=step_decay),
}  # fmt: skip

FEW = {"steps": 40, "batch": 32, "pictures": 143}
SICK = {
    "sgd-lr-x100": Plan(optimizer=sgd(10.0)),
    "sgd-momentum-lr-x30": Plan(optimizer=sgd(1.5, 0.9)),
    "adam-lr-x300": Plan(optimizer=adam(1.0)),
    "bn-adam-lr-x300": Plan(model=lambda: net(norm=True), optimizer=adam(1.0)),
    "sgd-lr-1e-8": Plan(optimizer=sgd(1e-8)),
    "adam-lr-1e-8": Plan(optimizer=adam(1e-8)),
    "bn-adam-lr-1e-8": Plan(model=lambda: net(norm=True), optimizer=adam(1e-8)),
    "sgd-lr-low": Plan(optimizer=sgd(3e-4)),
    "adam-lr-low": Plan(optimizer=adam(1e-5)),
    "sigmoid-8-sgd": Plan(model=lambda: net(nn.Sigmoid, depth=8), optimizer=sgd(0.1, 0.9)),
    "sigmoid-8-adam": Plan(model=lambda: net(nn.Sigmoid, depth=8)),
    "init-x10": Plan(model=lambda: scaled(net(depth=4), 10)),
    "init-x10-sgd": Plan(model=lambda: scaled(net(depth=4), 10), optimizer=sgd(0.1)),
    "init-d10": Plan(model=lambda: scaled(net(depth=4), 0.1)),
    "init-d10-sgd": Plan(model=lambda: scaled(net(depth=4), 0.1), optimizer=sgd(0.1, 0.9)),
    "constant": Plan(model=lambda: filled(net(), weight=0.05)),
    "constant-sgd": Plan(model=lambda: filled(net(), weight=0.05), optimizer=sgd(0.1, 0.9)),
    "bias": Plan(model=lambda: filled(net(), bias=-10.0)),
    "bias-sgd": Plan(model=lambda: filled(net(), bias=-10.0), optimizer=sgd(0.05, 0.9)),
    "clip-1e-6": Plan(optimizer=sgd(0.05, 0.9), clip=1e-6),
    "clip-1e-6-adam": Plan(clip=1e-6),
    "clip-1e-3": Plan(optimizer=sgd(0.05, 0.9), clip=1e-3),
    "adam-eps-1": Plan(optimizer=adam(1e-3, eps=1.0)),
    "momentum-999": Plan(optimizer=sgd(0.05, 0.999)),
    "momentum-999-bn": Plan(model=lambda: net(norm=True), optimizer=sgd(0.05, 0.999)),
    "residual-gain-3": Plan(model=growing, optimizer=sgd(0.05, 0.9)),
    "decay-early": Plan(optimizer=adam(1e-3), schedule=too_early),
    "shuffled-labels": Plan(model=lambda: net(norm=True), shuffled_labels=True),
    "bn-sgd-lr-x30": Plan(model=lambda: net(norm=True), optimizer=sgd(30.0, 0.9)),
    "few-tiny-updates": Plan(model=bn_net, optimizer=sgd(1e-7, 0.9), **FEW),
    "few-updates": Plan(model=bn_net, optimizer=sgd(100.0, 0.9), schedule=cosine, **FEW),
    "sgd-edge": Plan(optimizer=sgd(0.6, 0.9)),
    "sgd-edge-high": Plan(optimizer=sgd(2.0)),
    "adam-lr-d100": Plan(optimizer=adam(3e-5)),
    "bn-adam-lr-d100": Plan(model=lambda: net(norm=True), optimizer=adam(3e-5)),
    "sigmoid-5": Plan(model=lambda: net(nn.Sigmoid, depth=5)),
    "constant-all": Plan(model=lambda: filled(net(), weight=0.05, bias=0.0)),
    "tanh-init-x30": Plan(model=lambda: scaled(net(nn.Tanh, depth=4), 30)),
    "float16": Plan(autocast="float16", steps=80, divided=1e5),
    "raw-inputs-sgd": Plan(factor=100.0, optimizer=sgd(0.05, 0.9)),
}  # fmt: skip
