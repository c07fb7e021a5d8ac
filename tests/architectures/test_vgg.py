"""VGG: table 1 by hand, torchvision's outputs, the initialisation."""

import pytest
import torch
import torchvision
from torch import nn

from hubel.architectures import ARCHITECTURES, vgg
from hubel.errors import UsageError

COLUMNS = {  # table 1: the maps of each convolution, and "M" for pooling
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}
TABLE_2 = {11: 133, 13: 133, 16: 138, 19: 144}
"""Parameters in millions, as the paper prints them."""


def by_hand(depth, *, bn):
    parameters, macs, maps, side = 0, 0, 3, 224
    for word in COLUMNS[depth].split():
        if word == "M":
            side //= 2
            continue
        parameters += int(word) * (9 * maps + 1) + (2 * int(word) if bn else 0)
        macs += side**2 * int(word) * 9 * maps
        maps = int(word)
    for units, inputs in ((4096, 512 * 7 * 7), (4096, 4096), (1000, 4096)):
        parameters += units * (inputs + 1)
        macs += units * inputs
    return parameters, macs


@pytest.mark.parametrize("bn", [False, True])
@pytest.mark.parametrize("depth", COLUMNS)
def test_parameters_and_macs(count, depth, bn):
    expected = by_hand(depth, bn=bn)
    assert count(vgg.build, depth=depth, bn=bn) == expected
    entry = ARCHITECTURES[f"vgg{depth}" + ("_bn" if bn else "")]
    assert (entry.params, entry.macs) == expected
    if not bn:
        assert round(entry.params / 1e6) == TABLE_2[depth]


@pytest.fixture
def narrow(monkeypatch):
    """4096 units are 100 million weights, of which a comparison needs none."""
    monkeypatch.setattr(vgg, "UNITS", 8)


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_output_is_torchvisions(same_outputs, narrow, name):
    theirs = torchvision.models.get_model(name, num_classes=1, init_weights=False)
    theirs.classifier[0], theirs.classifier[3] = nn.Linear(25088, 8), nn.Linear(8, 8)
    theirs.classifier[6] = nn.Linear(8, 6)
    ours = ARCHITECTURES[name].build(outputs=6, channels=3, size=40)
    same_outputs(ours, theirs, size=40)


@pytest.mark.parametrize("depth", COLUMNS)
@pytest.mark.parametrize("ending", ["", "_bn"])
def test_tensors_fit_torchvisions_in_order(depth, ending):
    name = f"vgg{depth}{ending}"
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name).state_dict()
        ours = ARCHITECTURES[name].build(outputs=1000, channels=3, size=224).state_dict()
    assert [t.shape for t in ours.values()] == [t.shape for t in theirs.values()]


def test_initial_weights_are_glorots(narrow):
    torch.manual_seed(0)
    net = vgg.build(outputs=3, channels=3, size=32, depth=11)
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 11
    for layer in layers:
        units, inputs, taps = layer.weight.flatten(2).shape if layer.weight.ndim > 2 else (
            *layer.weight.shape, 1,
        )  # fmt: skip
        bound = (6 / (units * taps + inputs * taps)) ** 0.5
        assert layer.weight.abs().max() <= bound
        if layer.weight.numel() > 1000:
            assert layer.weight.abs().max() > 0.99 * bound
        assert layer.bias.abs().max() == 0


def test_refusals():
    with pytest.raises(UsageError, match="vgg's depth is 11, 13, 16 or 19, not 12"):
        vgg.build(outputs=2, channels=3, size=32, depth=12)
