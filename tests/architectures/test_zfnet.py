"""ZFNet: the sides of the paper's figure 3, its parameters by hand, the wide option."""

import numpy as np
import pytest
import torch
from torch import nn

from hubel.architectures import zfnet

FIGURE_3 = [  # maps and side after each convolution and each pooling
    (96, 110), (96, 55), (256, 26), (256, 13), (384, 13), (384, 13), (256, 13), (256, 6),
]  # fmt: skip


def network(**changes):
    with torch.device("meta"):
        return zfnet.build(**{"outputs": 1000, "channels": 3, "size": 224} | changes)


def test_sides_are_those_of_figure_3(shapes):
    net = network()
    found = shapes(net, 224)
    kinds = (nn.Conv2d, nn.MaxPool2d)
    names = [name for name, layer in net.named_modules() if isinstance(layer, kinds)]
    assert [found[name] for name in names] == [(maps, side, side) for maps, side in FIGURE_3]


def by_hand(third, fourth, fifth):
    kernels = [(96, 7 * 7 * 3), (256, 5 * 5 * 96), (third, 9 * 256), (fourth, 9 * third)]
    kernels += [(fifth, 9 * fourth), (4096, 36 * fifth), (4096, 4096), (1000, 4096)]
    positions = [110**2, 26**2, 13**2, 13**2, 13**2, 1, 1, 1]
    macs = sum(p * u * i for p, (u, i) in zip(positions, kernels, strict=True))
    return sum(units * (inputs + 1) for units, inputs in kernels), macs


@pytest.mark.parametrize(
    ("wide", "maps", "total"),
    [(False, (384, 384, 256), 62_357_608), (True, (512, 1024, 512), 107_627_624)],
)
def test_parameters_and_macs(count, wide, maps, total):
    assert count(zfnet.build, wide=wide) == by_hand(*maps)
    assert by_hand(*maps)[0] == total


def test_normalisation_is_alexnets():
    maps = torch.randn(1, 6, 1, 1, dtype=torch.float64) * 40
    a = maps.flatten().numpy()
    near = [(a[max(0, i - 2) : i + 3] ** 2).sum() for i in range(6)]
    expected = a / (2 + 1e-4 * np.array(near)) ** 0.75
    np.testing.assert_allclose(network().features[3](maps).flatten(), expected, rtol=1e-12)


def test_normalisation_comes_after_pooling():
    kinds = [type(layer).__name__ for layer in network().features[:4]]
    assert kinds == ["Conv2d", "ReLU", "MaxPool2d", "LocalResponseNormalisation"]


def test_initial_weights(monkeypatch):
    monkeypatch.setattr(zfnet, "UNITS", 16)
    torch.manual_seed(0)
    for layer in zfnet.build(outputs=5, channels=3, size=224).modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.bias.abs().max() == 0
            if layer.weight.numel() > 1000:
                assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
