"""MobileNetV2: table 2 by hand, torchvision's outputs, the width multiplier, the initialisation."""

import pytest
import torch
import torchvision
from torch import nn

from hubel.architectures import mobilenet_v2
from hubel.errors import UsageError


def by_hand():
    """Weights and biases, factors and shifts of normalisations, multiply-accumulates."""
    weights, norms, macs, maps, side = 27 * 32, 2 * 32, 27 * 32 * 112**2, 32, 112
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)]
    rows += [(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for t, c, n, s in rows:
        for repeat in range(n):
            wide, before = t * maps, side
            side = side // s if repeat == 0 else side
            expand = maps * wide if t > 1 else 0
            weights += expand + 9 * wide + wide * c
            norms += 2 * (wide if t > 1 else 0) + 2 * wide + 2 * c
            macs += expand * before**2 + (9 * wide + wide * c) * side**2
            maps = c
    head = 320 * 1280
    return weights + head + 1281 * 1000, norms + 2 * 1280, macs + head * 49 + 1280 * 1000


def test_parameters_and_macs(count):
    weights, norms, macs = by_hand()
    assert (weights, norms) == (3_470_760, 34_112)
    assert count(mobilenet_v2.build) == (weights + norms, macs)
    assert round(macs / 1e6) == 301  # "300M" in table 4
    assert count(mobilenet_v2.build)[0] == 3_504_872


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.4])
def test_width_is_torchvisions(width):
    with torch.device("meta"):
        theirs = torchvision.models.mobilenet_v2(width_mult=width).state_dict()
        ours = mobilenet_v2.build(outputs=1000, channels=3, size=32, width=width).state_dict()
    assert [t.shape for t in ours.values()] == [t.shape for t in theirs.values()]


def test_widest_of_table_4(count):
    assert round(count(mobilenet_v2.build, width=1.4)[1] / 1e6) == 582  # "585M"


def test_output_is_torchvisions(same_outputs):
    theirs = torchvision.models.mobilenet_v2(num_classes=6)
    same_outputs(mobilenet_v2.build(outputs=6, channels=3, size=64), theirs, size=64)


def test_inputs_are_added_where_the_shape_stays():
    block = mobilenet_v2.InvertedResidual(8, 8, expansion=2, stride=1).eval()
    maps = torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(block(maps), maps + block.layers(maps))
    assert not mobilenet_v2.InvertedResidual(8, 8, expansion=2, stride=2).adds
    assert not mobilenet_v2.InvertedResidual(8, 16, expansion=2, stride=1).adds


def test_initial_weights():
    torch.manual_seed(0)
    net = mobilenet_v2.build(outputs=10, channels=3, size=32)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.numel() > 5000:
            assert layer.weight.std().item() == pytest.approx(0.88 * 0.09, rel=0.02)
            assert layer.weight.abs().max() <= 0.18
    assert net.classifier.bias.abs().max() == 0


@pytest.mark.parametrize("width", [0, -1.0])
def test_refusals(width):
    with pytest.raises(UsageError, match="mobilenet_v2's width multiplier must be above 0, not"):
        mobilenet_v2.build(outputs=2, channels=3, size=32, width=width)
