"""AlexNet: the paper's sizes and numbers, its normalisation, its columns, its initialisation."""

import numpy as np
import pytest
import torch
from torch import nn

from hubel.architectures import alexnet
from hubel.errors import UsageError

PAPER = {  # figure 2 and section 3.5: maps and side
    "features.conv1": (96, 55, 55),
    "features.pool1": (96, 27, 27),
    "features.conv2": (256, 27, 27),
    "features.pool2": (256, 13, 13),
    "features.conv3": (384, 13, 13),
    "features.conv4": (384, 13, 13),
    "features.conv5": (256, 13, 13),
    "features.pool5": (256, 6, 6),
    "classifier.fc6": (4096,),
    "classifier.fc7": (4096,),
    "classifier.fc8": (1000,),
}


def network(**changes):
    with torch.device("meta"):
        return alexnet.build(**{"outputs": 1000, "channels": 3, "size": 227} | changes)


def test_sides_and_maps_are_the_papers(shapes):
    found = shapes(network(), 227)
    assert {name: found[name] for name in PAPER} == PAPER


def test_parameters_and_macs(count):
    """The kernels' sizes are written out in section 3.5, and the columns with them."""
    kernels = [(96, 11 * 11 * 3), (256, 5 * 5 * 48), (384, 3 * 3 * 256), (384, 3 * 3 * 192)]
    kernels += [(256, 3 * 3 * 192), (4096, 6 * 6 * 256), (4096, 4096), (1000, 4096)]
    positions = [55**2, 27**2, 13**2, 13**2, 13**2, 1, 1, 1]
    by_hand = sum(units * (inputs + 1) for units, inputs in kernels)
    macs = sum(p * u * i for p, (u, i) in zip(positions, kernels, strict=True))
    assert count(alexnet.build, size=227) == (by_hand, macs)
    assert by_hand == 60_965_224  # "60 million" (abstract)


def test_merged_columns(count):
    parameters, _ = count(alexnet.build, size=227, columns="merged")
    assert parameters == 62_378_344
    assert {layer.groups for layer in network(columns="merged").features[:13:4]} == {1}


def test_columns_see_their_own_maps_only():
    """By gradient: a unit of conv2 in the first column moves with the first 48 maps alone."""
    torch.manual_seed(0)
    conv = alexnet.features(3, "two").conv2
    maps = torch.randn(1, 96, 5, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(conv(maps)[0, 0, 2, 2], maps)
    seen = (gradient[0] != 0).any(2).any(1)
    assert seen[:48].all()
    assert not seen[48:].any()


def test_normalisation_is_the_papers_formula():
    maps = torch.randn(1, 7, 2, 2, dtype=torch.float64) * 30
    layer = network().features.norm2
    a = maps[0].numpy()
    expected = np.empty_like(a)
    for i in range(7):
        near = a[max(0, i - 2) : min(7, i + 3)]
        expected[i] = a[i] / (2 + 1e-4 * (near**2).sum(0)) ** 0.75
    np.testing.assert_allclose(layer(maps)[0], expected, rtol=1e-12)


def test_pooling_overlaps():
    pools = [layer for layer in network().modules() if isinstance(layer, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.stride) for pool in pools] == [(3, 2)] * 3


def test_initial_weights_are_section_5s():
    torch.manual_seed(0)
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    layers = alexnet.features(3, "two"), alexnet.classifier(10)
    for part in layers:
        for name, layer in part.named_children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05), name
                assert abs(layer.weight.mean().item()) < 5e-4
                assert layer.bias.unique().tolist() == [1.0 if name in ones else 0.0], name


def test_one_pixel_below_the_least_size():
    least = alexnet.NETWORKS[0].least_size
    net = network(outputs=2).eval()
    assert net(torch.zeros(1, 3, least, least, device="meta")).shape == (1, 2)
    with pytest.raises(RuntimeError, match="[Oo]utput size is too small"):
        net(torch.zeros(1, 3, least - 1, least - 1, device="meta"))


def test_refusals():
    with pytest.raises(UsageError, match="alexnet's columns are two or merged, not 'three'"):
        network(columns="three")
