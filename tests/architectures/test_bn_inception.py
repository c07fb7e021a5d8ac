"""BN-Inception against its figure 5 and against the count of the authors' released code."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.architectures import ARCHITECTURES, bn_inception
from inception_oracles import macs, maps, on_meta, parameters, trains_and_evaluates

FIGURE_5 = {  # maps and side after each part; 3c and 4e with the side that their stride gives
    "conv_1": (64, 112),
    "conv_2": (192, 28),
    "inception_3a": (256, 28),
    "inception_3b": (320, 28),
    "inception_3c": (576, 14),
    "inception_4a": (576, 14),
    "inception_4b": (576, 14),
    "inception_4c": (576, 14),
    "inception_4d": (576, 14),
    "inception_4e": (1024, 7),
    "inception_5a": (1024, 7),
    "inception_5b": (1024, 7),
}


def build(**changes):
    torch.manual_seed(0)
    return bn_inception.build(**{"outputs": 5, "channels": 3, "size": 224} | changes)


def kernels(network):
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))


def normalised(network):
    return sum(m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_parameters_and_macs():
    entry = ARCHITECTURES["bn_inception"]
    network = on_meta(bn_inception.build, size=224)
    assert parameters(network) == entry.params == 11_188_288
    assert macs(network, 224) == entry.macs


def test_count_of_the_released_code():
    """Its own test counts 10,173,112 below the head: shift, mean and variance a normalised map.

    There the first convolution has a bias where figure 5 and the text have it normalised.
    """
    network = on_meta(bn_inception.build, size=224)
    assert kernels(network) + 3 * (normalised(network) - 64) + 64 == 10_173_112


def test_sides_and_maps_are_those_of_figure_5():
    found = maps(on_meta(bn_inception.build, size=224), 224)
    assert {name: found[name][:2] for name in FIGURE_5} == FIGURE_5


def test_the_printed_projections_would_not_give_the_printed_sizes():
    for row in bn_inception.FIGURE_5:
        if row.proj is not None:
            depth = row.n1x1 + row.n3x3 + row.double3x3
            assert depth + row.proj == FIGURE_5[f"inception_{row.name}"][0]
            assert (depth + 128 == 608) == (row.name in {"4c", "4d"})


def test_printed_total_is_far_from_the_columns():
    """Plain 7x7 and projections of 128 bring 11.3 million, not 13.6 (section 4.2)."""
    plain = 7 * 7 * 3 * 64 - (7 * 7 * 24 + 24 * 64)
    wider = 32 * 576 + 64 + 32 * (96 + 128 + 160 + 128) + 32 * 608 + 64 + 32 * (128 + 192)
    assert round((11_188_288 + plain + wider) / 1e6, 1) == 11.3


def test_first_convolution_is_separable_and_its_width_follows_the_channels():
    first = build(channels=4).conv_1
    assert first.depthwise.weight.shape == (32, 1, 7, 7)
    assert first.pointwise.weight.shape == (64, 32, 1, 1)
    assert first.bn.eps == 1e-3


def test_modules_of_stride_2_pass_pooled_maps_through():
    module = build().inception_3c.eval()
    inputs = torch.randn(2, 320, 9, 9)
    out = module(inputs)
    assert out.shape == (2, 576, 5, 5)
    torch.testing.assert_close(out[:, 256:], nn.functional.max_pool2d(inputs, 3, 2, 1))


def test_pooling_kinds():
    network = build()
    kinds = {
        row.name: type(network.get_submodule(f"inception_{row.name}").branches[-1][0])
        for row in bn_inception.FIGURE_5
    }
    largest = {name for name, kind in kinds.items() if kind is nn.MaxPool2d}
    assert largest == {"3c", "4e", "5b"}
    mean = network.inception_3a.branches[-1][0]
    ones = torch.ones(1, 1, 4, 4)
    torch.testing.assert_close(mean(ones), ones)


@pytest.mark.parametrize("size", [1, 33])
def test_any_size_trains(size):
    trains_and_evaluates(build(size=size), size)


def test_first_weights_have_variance_2_by_fan_in():
    network = build()
    weight = network.inception_5b.branches[1][1][0].weight
    assert weight.std().item() == pytest.approx((2 / (192 * 9)) ** 0.5, rel=0.01)
    assert (network.fc.bias == 0).all()
