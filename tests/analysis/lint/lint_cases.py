"""For each rule, a network that has the fault, and one that looks like it and has not."""

from __future__ import annotations

from lint_networks import (
    Case,
    Shuffle,
    autoencoder,
    bn_conv,
    branches,
    conv,
    deep,
    depthwise_separable,
    gates,
    grouped,
    head,
    logits,
    narrow_middle,
    plain,
    scaled,
    skipping,
    spare,
    stem,
    twice,
    with_auxiliary,
)
from torch import nn

Pair = tuple[Case, Case]


def seq(*parts):
    """Return a builder of a sequence; the parts are made when it is called."""
    return lambda: nn.Sequential(*[made for part in parts for made in _made(part)])


def _made(part):
    made = part()
    return made if isinstance(made, tuple) else (made,)


def net(build, shape=(3, 32, 32), **known):
    return Case(build=build, shape=shape, **known)


CASES: dict[str, Pair] = {
    "check/input-too-small": (
        net(logits, (3, 16, 16), least_size=20),
        net(logits, (3, 20, 20), least_size=20),
    ),
    "check/softmax-before-loss": (
        net(lambda: logits(nn.Softmax(1))),
        # An attention over places: softmax is there, and not last.
        net(seq(lambda: bn_conv(3, 8), lambda: nn.Softmax(1), lambda: head(8))),
    ),
    "check/activation-before-loss": (
        net(lambda: logits(nn.ReLU())),
        # SqueezeNet's way: the activation stands before the average.
        net(seq(lambda: bn_conv(3, 10), lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten)),
    ),
    "check/two-softmaxes": (
        net(lambda: logits(nn.Softmax(1), nn.LogSoftmax(1))),
        net(lambda: logits(nn.Softmax(1), nn.Linear(10, 10), nn.Softmax(1))),
    ),
    "check/dead-branch": (net(branches(joined=False)), net(branches(joined=True))),
    "check/unused-parameters": (net(spare(called=False)), net(spare(called=True))),
    "check/unmixed-groups": (net(grouped(lambda: ())), net(grouped(lambda: (Shuffle(),)))),
    "check/auxiliary-head": (
        net(with_auxiliary(in_training=True)),
        net(with_auxiliary(in_training=False)),
    ),
    "check/shared-module": (net(twice(shared=True)), net(twice(shared=False))),
    "check/border-lost": (
        net(seq(lambda: bn_conv(3, 16), lambda: nn.MaxPool2d(2), lambda: head(16)), (3, 9, 9)),
        net(
            seq(
                lambda: bn_conv(3, 16), lambda: nn.MaxPool2d(2, ceil_mode=True), lambda: head(16)
            ),
            (3, 9, 9),
        ),
    ),
    "check/pixels-skipped": (net(skipping(also_read=False)), net(skipping(also_read=True))),
    "check/even-kernel": (
        net(plain(4, 16, kernel=4)),
        # Patches: the kernel is even, and its stride makes the windows tile.
        net(
            seq(
                lambda: nn.Conv2d(3, 16, 4, 4), nn.ReLU, lambda: bn_conv(16, 16), lambda: head(16)
            )
        ),
    ),
    "check/kernel-larger-than-map": (
        net(stem(2, 1, 2, 1, 2, 1, 2), (3, 16, 16)),
        net(stem(2, 1, 2, 1, 2), (3, 16, 16)),
    ),
    "check/field-never-covers": (
        net(plain(6, 16), (3, 64, 64)),
        # The fields are as small, but a fully-connected layer reads the maps place by place.
        net(
            seq(
                lambda: bn_conv(3, 8), lambda: bn_conv(8, 8), lambda: nn.MaxPool2d(8), nn.Flatten,
                lambda: nn.Linear(8 * 64, 10),
            ),
            (3, 64, 64),
        ),
    ),
    "check/field-smaller-than-object": (
        net(plain(6, 16), object_px=10),
        net(plain(6, 16), object_px=6.5),
    ),
    "check/unproductive-layers": (net(plain(6, 16), (3, 9, 9)), net(plain(6, 16), (3, 13, 13))),
    "check/bottleneck": (net(narrow_middle(2)), net(narrow_middle(8))),
    "check/early-reduction": (
        net(stem(4, 4), (3, 128, 128)),
        net(stem(2, 1, 2, 1, 2, 1, 2), (3, 128, 128)),
    ),
    "check/narrow-before-reduction": (
        net(
            seq(
                lambda: bn_conv(3, 64), lambda: bn_conv(64, 16), lambda: bn_conv(16, 64, 3, 2),
                lambda: head(64),
            )
        ),
        net(
            seq(
                lambda: bn_conv(3, 64), lambda: bn_conv(64, 16), lambda: bn_conv(16, 64),
                lambda: bn_conv(64, 64, 3, 2), lambda: head(64),
            )
        ),
    ),
    "check/width-depth": (net(plain(30, 4)), net(plain(30, 16))),
    "check/missing-activation": (
        net(
            seq(
                lambda: conv(3, 32, bias=False), lambda: nn.BatchNorm2d(32), lambda: conv(32, 32),
                nn.ReLU, lambda: head(32),
            )
        ),
        net(depthwise_separable),
    ),
    "check/saturating-activations": (net(deep(nn.Sigmoid, norm=False)), net(gates)),
    "check/dropout-before-bn": (
        net(seq(lambda: bn_conv(3, 16), nn.Dropout, lambda: bn_conv(16, 16), lambda: head(16))),
        net(
            seq(
                lambda: bn_conv(3, 16), lambda: nn.Dropout(0.0), lambda: bn_conv(16, 16),
                lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten, nn.Dropout, lambda: nn.Linear(16, 10),
            )
        ),
    ),
    "check/bn-image-to-image": (
        net(autoencoder(3, norm=True)),
        net(autoencoder(21, norm=True)),  # A class for each pixel, not a picture.
    ),
    "check/bias-before-bn": (
        net(seq(lambda: conv(3, 16), lambda: nn.BatchNorm2d(16), nn.ReLU, lambda: head(16))),
        net(seq(lambda: conv(3, 16), nn.ReLU, lambda: nn.BatchNorm2d(16), lambda: head(16))),
    ),
    "check/initialisation": (
        net(scaled(0.5), weights=True),
        net(scaled(2.0), weights=True),
    ),
    "check/heavy-fully-connected": (
        net(
            seq(lambda: bn_conv(3, 16), lambda: nn.MaxPool2d(4), nn.Flatten,
                lambda: nn.Linear(1024, 10))
        ),
        net(logits),
    ),
    "check/large-kernel": (
        net(plain(3, 16, kernel=5)),
        # 5×5 depthwise costs less than two 3×3.
        net(
            seq(
                lambda: bn_conv(3, 16), lambda: conv(16, 16, 5, groups=16), nn.ReLU,
                lambda: bn_conv(16, 16), lambda: head(16),
            )
        ),
    ),
    "check/factorisable-kernel": (net(plain(3, 16), (3, 16, 16)), net(plain(3, 16), (3, 32, 32))),
    "check/separable-convolution": (net(plain(3, 32)), net(plain(3, 24))),
    "check/channel-count": (net(plain(3, 13)), net(plain(3, 16))),
}  # fmt: skip
