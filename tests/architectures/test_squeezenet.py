"""SqueezeNet: table 1 by hand, torchvision's outputs, the initialisation."""

import pytest
import torch
import torchvision
from torch import nn

from hubel.architectures import ARCHITECTURES, squeezenet
from hubel.errors import UsageError

TABLE_1 = {  # parameters of each layer before pruning, as the paper prints them
    "conv1": 14_208, "fire2": 11_920, "fire3": 12_432, "fire4": 45_344, "fire5": 49_440,
    "fire6": 104_880, "fire7": 111_024, "fire8": 188_992, "fire9": 197_184, "conv10": 513_000,
}  # fmt: skip


def test_parameters_are_those_of_table_1():
    with torch.device("meta"):
        net = squeezenet.build(outputs=1000, channels=3, size=224, version="1.0")
    found = {name: sum(p.numel() for p in net.get_submodule(name).parameters()) for name in TABLE_1}
    assert found == TABLE_1
    assert sum(TABLE_1.values()) == 1_248_424


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("squeezenet1_0", torchvision.models.SqueezeNet1_0_Weights.DEFAULT),
        ("squeezenet1_1", torchvision.models.SqueezeNet1_1_Weights.DEFAULT),
    ],
)
def test_parameters_and_macs_are_those_that_torchvision_publishes(count, name, weights):
    entry = ARCHITECTURES[name]
    parameters, macs = count(entry.builder, **entry.variant)
    assert (parameters, macs) == (entry.params, entry.macs)
    assert parameters == weights.meta["num_params"]
    assert round(macs / 1e9, 3) == weights.meta["_ops"]


def test_sides_of_table_1(shapes):
    """From 55 after the first pooling on; conv1's 111 would need 227 pixels."""
    with torch.device("meta"):
        net = squeezenet.build(outputs=1000, channels=3, size=227, version="1.0")
    names = ("conv1", "pool1", "pool4", "pool8", "conv10")
    assert [shapes(net, 227)[name][1] for name in names] == [111, 55, 27, 13, 13]
    assert [shapes(net, 224)[name][1] for name in names] == [109, 54, 27, 13, 13]


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_output_is_torchvisions(same_outputs, name):
    theirs = torchvision.models.get_model(name, num_classes=6)
    same_outputs(ARCHITECTURES[name].build(outputs=6, channels=3, size=64), theirs, size=64)


def test_initial_weights():
    torch.manual_seed(0)
    net = squeezenet.build(outputs=1000, channels=3, size=224, version="1.1")
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d):
            deviation = 0.01 if name == "conv10" else layer.weight[0].numel() ** -0.5
            assert layer.weight.std().item() == pytest.approx(deviation, rel=0.05), name
            if name != "conv10":
                assert layer.weight.abs().max() <= 3**0.5 * deviation
            assert layer.bias.abs().max() == 0


def test_refusals():
    with pytest.raises(UsageError, match="squeezenet's version is 1.0 or 1.1, not '2'"):
        squeezenet.build(outputs=2, channels=3, size=64, version="2")
