"""Inception-ResNet-v1 against its figures, which alone define it."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.architectures import ARCHITECTURES, inception_resnet_v1
from hubel.errors import UsageError
from hubel.nn.inception import Conv, ScaledResidual, Split
from inception_oracles import macs, maps, on_meta, parameters


def build(**changes):
    torch.manual_seed(0)
    return inception_resnet_v1.build(**{"outputs": 5, "channels": 3, "size": 299} | changes)


def conv(inputs, outputs, area):
    """Kernel of a convolution, with scale and shift of its normalisation."""
    return inputs * outputs * area + 2 * outputs


def linear(inputs, outputs):
    return inputs * outputs + outputs


def test_parameters_by_hand_from_the_figures():
    stem = (
        conv(3, 32, 9)
        + conv(32, 32, 9)
        + conv(32, 64, 9)
        + conv(64, 80, 1)
        + conv(80, 192, 9)
        + conv(192, 256, 9)
    )
    a = 3 * conv(256, 32, 1) + 3 * conv(32, 32, 9) + linear(96, 256)
    reduction_a = conv(256, 384, 9) + conv(256, 192, 1) + conv(192, 192, 9) + conv(192, 256, 9)
    b = 2 * conv(896, 128, 1) + 2 * conv(128, 128, 7) + linear(256, 896)
    reduction_b = 3 * conv(896, 256, 1) + conv(256, 384, 9) + 3 * conv(256, 256, 9)
    c = 2 * conv(1792, 192, 1) + 2 * conv(192, 192, 3) + linear(384, 1792)
    total = stem + 5 * a + reduction_a + 10 * b + reduction_b + 5 * c + linear(1792, 1000)
    network = on_meta(inception_resnet_v1.build, size=299)
    entry = ARCHITECTURES["inception_resnet_v1"]
    assert parameters(network) == total == entry.params
    assert macs(network, 299) == entry.macs


def test_sides_and_maps_are_those_of_the_figures():
    found = maps(on_meta(inception_resnet_v1.build, size=299), 299)
    figure_14 = [(32, 149), (32, 147), (64, 147), (64, 73), (80, 73), (192, 71), (256, 35)]
    assert [found[f"stem.{number}"][:2] for number in range(7)] == figure_14
    top = {name: found[name][:2] for name in found if "." not in name}
    assert [shape for name, shape in top.items() if name.startswith(("inception", "red"))] == [
        *[(256, 35)] * 5,
        *[(896, 17)] * 11,
        *[(1792, 8)] * 6,
    ]
    assert top["pool"] == (1792, 1)


def test_residuals_are_scaled_before_the_sum():
    branches = Split(((Conv(2, 1),), (Conv(3, 3),)))
    block = ScaledResidual(4, branches, 0.17).eval()
    inputs = torch.randn(2, 4, 5, 5)
    inside = torch.cat([branch(inputs) for branch in block.branches.branches], 1)
    kernel, bias = block.linear.weight[:, :, 0, 0], block.linear.bias
    raised = torch.einsum("oi,nihw->nohw", kernel, inside) + bias[:, None, None]
    torch.testing.assert_close(block(inputs), (inputs + 0.17 * raised).clamp_min(0))
    without = ScaledResidual(4, branches, 0.17, relu=False).eval()
    assert (without(inputs) < 0).any()
    network = on_meta(inception_resnet_v1.build, size=299)
    scales = [network.get_submodule(f"inception_resnet_{part}_1").scale for part in "abc"]
    assert scales == [0.17, 0.10, 0.20]


def test_every_module_ends_with_relu():
    with torch.no_grad():
        network = build(size=75).eval()
        out = network.inception_resnet_c_5(torch.randn(1, 1792, 1, 1))
    assert (out >= 0).all()


def test_first_weights_and_dropout():
    network = build()
    weight = network.reduction_a.branches[0][0][0].weight
    bound = (6 / (9 * (256 + 384))) ** 0.5
    assert 0.99 * bound < weight.abs().max() <= bound
    assert (network.inception_resnet_a_1.linear.bias == 0).all()
    assert network.dropout.p == 0.2


def test_refusals():
    words = "inception_resnet_v1 needs pictures of at least 75 pixels a side, not 74: below, the"
    with pytest.raises(UsageError, match=words):
        build(size=74)
