"""DenseNet: torchvision's output with the same weights, the sides and maps of its table."""

import math

import pytest
import torch
import torchvision
from torch import nn

from hubel.architectures import ARCHITECTURES, densenet
from hubel.errors import UsageError

NAMES = [name for name in ARCHITECTURES if name.startswith("densenet")]


def network(name="densenet121", **changes):
    torch.manual_seed(0)
    settings = {"outputs": 10, "channels": 3, "size": 64} | changes
    return ARCHITECTURES[name].build(**settings).eval()


def test_output_is_torchvisions():
    torch.manual_seed(1)
    other = torchvision.models.densenet121(num_classes=10).eval()
    for layer in other.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.8, 1.5)
            layer.weight.data.uniform_(0.5, 1.0)
            layer.bias.data.normal_(0, 0.1)
    net = network()
    ours, theirs = net.state_dict(), list(other.state_dict().values())
    assert [value.shape for value in theirs] == [value.shape for value in ours.values()]
    net.load_state_dict(dict(zip(ours, theirs, strict=True)))
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = other(pictures)
        assert expected.abs().max() > 0.05
        assert (net(pictures) - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_tensors_fit_torchvisions_in_order(name):
    with torch.device("meta"):
        ours = network(name, outputs=1000).state_dict().values()
        theirs = torchvision.models.get_model(name).state_dict().values()
    assert [value.shape for value in ours] == [value.shape for value in theirs]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_counts_its_layers(name):
    with torch.device("meta"):
        layers = [m for m in network(name).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == int(name.removeprefix("densenet"))


def test_sides_and_maps_of_table_1():
    with torch.device("meta"):
        net = network()
        maps = net.stem(torch.zeros(1, 3, 224, 224))
        found = [tuple(maps.shape[1:3])]
        for part in net.blocks:
            maps = part(maps)
            found.append(tuple(maps.shape[1:3]))
    assert found == [
        (64, 56), (256, 56), (128, 28), (512, 28), (256, 14), (1024, 14), (512, 7), (1024, 7),
    ]  # fmt: skip


def test_a_block_keeps_all_maps_before():
    """Each layer of a block, by hand: it reads the input and all that was added."""
    torch.manual_seed(0)
    block = densenet.DenseBlock(3, 3, 2, 0.0).eval()
    maps = torch.randn(2, 3, 4, 4)
    known = maps
    for layer in block.layers:
        first = layer.conv1(layer.bn1(known).clamp(min=0))
        known = torch.cat((known, layer.conv2(layer.bn2(first).clamp(min=0))), 1)
    torch.testing.assert_close(block(maps), known)
    assert torch.equal(block(maps)[:, :3], maps)


def test_dropout_acts_in_training_only():
    layer = densenet.DenseLayer(3, 64, 0.5)
    maps = torch.randn(1, 3, 4, 4)
    torch.manual_seed(0)
    share = (layer.train()(maps) == 0).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.1)
    assert not (layer.eval()(maps) == 0).any()
    assert all(d.p == 0.2 for d in network(dropout=0.2).modules() if isinstance(d, nn.Dropout))


def test_initial_weights_are_hes():
    net = network()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 20_000:
            fan_in = layer.in_channels * layer.kernel_size[0] ** 2
            assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
    assert not net.head.bias.any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 28}, "densenet121's size must be at least 29, not 28"),
        ({"dropout": 1.0}, "densenet121's dropout must be at least 0 and below 1, not 1.0"),
        ({"dropout": -0.1}, "densenet121's dropout must be at least 0 and below 1, not -0.1"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(UsageError, match=words):
        network(**changes)
