"""Small networks with one fault each, and networks that look like them and have none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network at one input shape, and what is known of it."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (3, 32, 32)
    object_px: float | None = None
    least_size: int | None = None
    weights: bool = False
    """Whether the rule looks at the numbers of the weights."""


class Function(nn.Module):
    """Parts, and a forward over them that is written beside them."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.does = forward

    def forward(self, inputs: Tensor) -> Tensor:
        return self.does(self, inputs, **dict(self.parts.items()))


def conv(inputs, outputs, kernel=3, stride=1, *, pad=None, **more):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if pad is None else pad, **more)


def bn_conv(inputs, outputs, kernel=3, stride=1, **more):
    return nn.Sequential(
        conv(inputs, outputs, kernel, stride, bias=False, **more),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def head(channels, outputs=10, *after):
    return (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs), *after)


def logits(*after):
    """A healthy network up to its logits, and what follows them."""
    return nn.Sequential(bn_conv(3, 32), bn_conv(32, 32, 3, 2), *head(32, 10, *after))


class Shuffle(nn.Module):
    def forward(self, inputs):
        n, c, h, w = inputs.shape
        return inputs.view(n, 4, c // 4, h, w).transpose(1, 2).reshape(n, c, h, w)


def grouped(between):
    def build():
        return nn.Sequential(
            bn_conv(3, 32), conv(32, 32, groups=4), nn.ReLU(), *between(),
            conv(32, 32, groups=4), nn.ReLU(), *between(), nn.Conv2d(32, 8, 1, groups=4),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip

    return build


def branches(*, joined):
    def forward(module, x, stem, left, right, last):
        x = stem(x)
        one, other = left(x), right(x)
        return last((one + other if joined else one).mean((2, 3)))

    return lambda: Function(
        forward, stem=bn_conv(3, 16), left=bn_conv(16, 16), right=bn_conv(16, 16),
        last=nn.Linear(16, 10),
    )  # fmt: skip


def spare(*, called):
    def forward(module, x, body, spare):
        return spare(body(x)) if called else body(x)

    return lambda: Function(forward, body=logits(), spare=nn.Linear(10, 10))


def with_auxiliary(*, in_training):
    def forward(module, x, stem, main, side):
        x = stem(x).mean((2, 3))
        if module.training or not in_training:
            return main(x) + 0.3 * side(x)
        return main(x)

    return lambda: Function(
        forward, stem=bn_conv(3, 16), main=nn.Linear(16, 10), side=nn.Linear(16, 10)
    )


def twice(*, shared):
    def forward(module, x, stem, one, two, last):
        return last((one if shared else two)(one(stem(x))).mean((2, 3)))

    def build():
        one = bn_conv(16, 16)
        return Function(
            forward, stem=bn_conv(3, 16), one=one, two=one if shared else bn_conv(16, 16),
            last=nn.Linear(16, 10),
        )  # fmt: skip

    return build


def skipping(*, also_read):
    """A strided 1×1 convolution, alone or beside a 3×3 one that reads the rest."""

    def forward(module, x, stem, step, wide, last):
        x = stem(x)
        return last(F.relu(step(x) + wide(x) if also_read else step(x)).mean((2, 3)))

    return lambda: Function(
        forward, stem=bn_conv(3, 16), step=nn.Conv2d(16, 16, 1, 2),
        wide=conv(16, 16, 3, 2) if also_read else nn.Identity(), last=nn.Linear(16, 10),
    )  # fmt: skip


def deep(activation, *, norm, depth=6):
    def build():
        parts = [bn_conv(3, 16)]
        for _ in range(depth):
            parts += [conv(16, 16), *([nn.BatchNorm2d(16)] if norm else []), activation()]
        return nn.Sequential(*parts, *head(16))

    return build


def gates():
    """Sigmoids that only scale, many of them: squeeze-and-excitation."""

    def forward(module, x, stem, gate, last):
        x = stem(x)
        for _ in range(6):
            x = x * torch.sigmoid(gate(x.mean((2, 3), keepdim=True)))
        return last(x.mean((2, 3)))

    return Function(forward, stem=bn_conv(3, 16), gate=nn.Conv2d(16, 16, 1), last=nn.Linear(16, 10))


def scaled(scale):
    """A row of ReLU layers whose weights have variance scale / fan-in."""

    def build():
        parts = []
        for place in range(10):
            layer = conv(3 if not place else 32, 32)
            nn.init.normal_(layer.weight, std=(scale / layer.weight[0].numel()) ** 0.5)
            parts += [layer, nn.ReLU()]
        return nn.Sequential(*parts, *head(32))

    return build


def depthwise_separable():
    return nn.Sequential(
        bn_conv(3, 32), conv(32, 32, groups=32, bias=False), nn.BatchNorm2d(32),
        nn.Conv2d(32, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), *head(64),
    )  # fmt: skip


def narrow_middle(middle):
    return lambda: nn.Sequential(
        bn_conv(3, 64), bn_conv(64, 64), bn_conv(64, middle), bn_conv(middle, 64), bn_conv(64, 64),
        *head(64),
    )  # fmt: skip


def stem(*strides):
    """Ten convolutions; the first ones have these strides."""

    def build():
        steps = [*strides, *[1] * (10 - len(strides))]
        blocks = [bn_conv(16 if i else 3, 16, 3, step) for i, step in enumerate(steps)]
        return nn.Sequential(*blocks, *head(16))

    return build


def autoencoder(outputs, *, norm):
    """Down and up again; `outputs` channels at the side of the input."""
    block = bn_conv if norm else lambda i, o, k=3, s=1: nn.Sequential(conv(i, o, k, s), nn.ReLU())
    return lambda: nn.Sequential(
        block(3, 16), block(16, 32, 3, 2), nn.Upsample(scale_factor=2), block(32, 16),
        conv(16, outputs),
    )  # fmt: skip


def plain(depth, width, **more):
    def build():
        blocks = [bn_conv(width if i else 3, width, **more) for i in range(depth)]
        return nn.Sequential(*blocks, *head(width))

    return build
