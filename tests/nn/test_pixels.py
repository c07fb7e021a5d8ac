"""Which layer runs out of pixels: the innermost that fails or whose output is empty."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hubel.nn.pixels import find_last_layer


class Functional(nn.Module):
    """Pools without a layer of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, inputs):
        return F.max_pool2d(self.conv(inputs), 4)


class Crop(nn.Module):
    def forward(self, inputs):
        return inputs[:, :, 4:, 4:]


def deep():
    body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2))
    return nn.Sequential(body, nn.Sequential(nn.Conv2d(2, 2, 3)), nn.AdaptiveAvgPool2d(1))


@pytest.mark.parametrize(
    ("network", "size", "layer"),
    [
        (deep, 8, None),
        (deep, 7, "1.0 (Conv2d)"),
        (deep, 3, "0.1 (MaxPool2d)"),
        (deep, 2, "0.0 (Conv2d)"),
        (Functional, 6, None),
        (Functional, 5, "Functional"),
        (Functional, 2, "conv (Conv2d)"),
        (lambda: nn.Sequential(nn.ReLU(), nn.Sequential(Crop())), 5, None),
        (lambda: nn.Sequential(nn.ReLU(), nn.Sequential(Crop())), 4, "1.0 (Crop)"),
    ],
)
def test_the_layer(network, size, layer):
    with torch.device("meta"):
        net = network()
    assert find_last_layer(net, 1, size) == layer


@pytest.mark.parametrize("size", [8, 3])
def test_the_network_is_left_as_it_was(size):
    net = deep().to("meta").train()
    find_last_layer(net, 1, size)
    assert all(m.training and not m._forward_hooks for m in net.modules())
    assert all(not m._forward_pre_hooks for m in net.modules())
