"""Network In Network: its blocks by hand, the sides of the published file, its last layers."""

import pytest
import torch
from torch import nn

from hubel.architectures import nin

BLOCKS = [  # kernel, inputs, maps of the three convolutions, side
    (11, 3, (96, 96, 96), 54),
    (5, 96, (256, 256, 256), 27),
    (3, 256, (384, 384, 384), 13),
    (3, 384, (1024, 1024, 1000), 6),
]


def network(**changes):
    with torch.device("meta"):
        return nin.build(**{"outputs": 1000, "channels": 3, "size": 224} | changes)


def test_parameters_and_macs(count):
    parameters = macs = 0
    for kernel, inputs, (first, second, third), side in BLOCKS:
        for maps, seen in ((first, kernel**2 * inputs), (second, first), (third, second)):
            parameters += maps * (seen + 1)
            macs += side**2 * maps * seen
    assert count(nin.build) == (parameters, macs)
    assert parameters == 7_595_176  # 4 bytes each: the published file has 29 MB


def test_sides(shapes):
    net = network()
    found = shapes(net, 224)
    convolutions = [name for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d)]
    sides = [found[name][1] for name in convolutions]
    assert sides == [side for *_, side in BLOCKS for _ in range(3)]
    assert all(isinstance(net.get_submodule(name), nn.Conv2d) for name in convolutions)
    assert not any(isinstance(layer, nn.Linear) for layer in net.modules())


def test_the_last_block_has_a_map_a_class(shapes):
    found = shapes(network(outputs=7, size=64), 64)
    assert found["mlpconv4.4"][0] == 7
    assert found["flatten"] == (7,)


def test_logits_are_the_means_of_the_last_maps():
    torch.manual_seed(0)
    net = nin.build(outputs=3, channels=1, size=71).eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    pictures = torch.randn(2, 1, 71, 71)
    with torch.no_grad():
        maps = net[: list(dict(net.named_children())).index("avgpool")](pictures)
        assert maps.shape[2] > 1
        torch.testing.assert_close(net(pictures), maps.mean((2, 3)))


def test_dropout_stands_before_the_last_block():
    names = list(dict(network().named_children()))
    assert names[-4:] == ["dropout", "mlpconv4", "avgpool", "flatten"]


def test_initial_weights():
    torch.manual_seed(0)
    net = nin.build(outputs=10, channels=3, size=64)
    deviations = [0.01, 0.05, 0.05, 0.05, 0.05, 0.05, 0.01, 0.05, 0.05, 0.05, 0.05, 0.01]
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    for layer, deviation in zip(layers, deviations, strict=True):
        assert layer.weight.std().item() == pytest.approx(deviation, rel=0.05)
        assert layer.bias.abs().max() == 0
