"""The plain pattern: its layers in order, its parameters by hand, the all-convolutional variant."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hubel.architectures import plain
from hubel.errors import UsageError


def network(**changes):
    with torch.device("meta"):
        return plain.build(**{"outputs": 10, "channels": 3, "size": 32} | changes)


def words(net):
    """The network in the words of the pattern."""
    names = {
        nn.Conv2d: "CONV", nn.ReLU: "RELU", nn.MaxPool2d: "POOL", nn.Linear: "FC",
        nn.AdaptiveAvgPool2d: "mean", nn.Flatten: "flatten",
    }  # fmt: skip
    layers = [layer for layer in net.modules() if type(layer) in names]
    return " ".join(
        names[type(layer)] + ("/2" if getattr(layer, "stride", 1) == (2, 2) else "")
        for layer in layers
    )


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 3), m=st.integers(1, 4), k=st.integers(0, 2), pool=st.booleans())
def test_the_layers_are_the_patterns(n, m, k, pool):
    net = network(convolutions=n, stages=m, fully_connected=k, pool=pool, width=2, units=3)
    stage = "CONV RELU " * n + ("POOL " if pool else "")
    assert words(net) == stage * m + "mean flatten " + "FC RELU " * k + "FC"
    assert net(torch.zeros(2, 3, 32, 32, device="meta")).shape == (2, 10)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 3), m=st.integers(1, 4), k=st.integers(0, 2))
def test_the_all_convolutional_layers(n, m, k):
    net = network(
        convolutions=n, stages=m, fully_connected=k, width=2, units=3, all_convolutional=True
    )
    stage = "CONV RELU " * n + "CONV/2 RELU "
    assert words(net) == stage * m + "CONV RELU " * k + "CONV mean flatten"
    kernels = [layer.kernel_size[0] for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [3] * (n + 1) * m + [1] * (k + 1)
    assert net(torch.zeros(2, 3, 5, 5, device="meta")).shape == (2, 10)


def test_parameters_and_macs_by_hand(count):
    kernels = [(32, 3), (32, 32), (64, 32), (64, 64), (128, 64), (128, 128)]
    sides = [32, 32, 16, 16, 8, 8]
    parameters = sum(maps * (9 * inputs + 1) for maps, inputs in kernels)
    macs = sum(s**2 * m * 9 * i for s, (m, i) in zip(sides, kernels, strict=True))
    for units, inputs in ((256, 128 * 4 * 4), (10, 256)):
        parameters += units * (inputs + 1)
        macs += units * inputs
    assert count(plain.build, size=32, outputs=10) == (parameters, macs)


def test_nothing_is_averaged_at_the_design_size():
    """The mean before the full connections has one pixel a window at 32."""
    for changes in ({}, {"stages": 2}, {"pool": False, "stages": 1}):
        net = network(width=1, **changes)
        body = net[: list(dict(net.named_children())).index("avgpool")]
        side = body(torch.zeros(1, 3, 32, 32, device="meta")).shape[2]
        assert net.avgpool.output_size == side


def test_initial_weights():
    torch.manual_seed(0)
    net = plain.build(outputs=10, channels=3, size=32)
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers[:-1]:
        expected = (2 / layer.weight[0].numel()) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
        assert layer.bias.abs().max() == 0
    assert layers[-1].weight.std().item() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"convolutions": 0}, "plain's convolutions must be at least 1, not 0"),
        ({"stages": 0}, "plain's stages must be at least 1, not 0"),
        ({"width": 0}, "plain's width must be at least 1, not 0"),
        ({"units": 0}, "plain's units must be at least 1, not 0"),
        ({"fully_connected": -1}, "plain's fully_connected must be at least 0, not -1"),
        (
            {"all_convolutional": True, "pool": False},
            "all_convolutional=true puts strides in the place of pooling, so it does not go with",
        ),
        (
            {"stages": 5, "size": 31},
            "plain with 5 stages needs pictures of at least 32 pixels a side, not 31; set fewer",
        ),
    ],
)
def test_refusals(changes, sentence):
    with pytest.raises(UsageError, match=sentence):
        network(**changes)
