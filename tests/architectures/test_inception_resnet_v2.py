"""Inception-ResNet-v2 against timm, and its drawn variant against the figures."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.architectures import ARCHITECTURES, inception_resnet_v2
from hubel.errors import UsageError
from inception_oracles import (
    largest_difference,
    maps,
    on_meta,
    parameters,
    trains_and_evaluates,
)


def build(**changes):
    torch.manual_seed(0)
    return inception_resnet_v2.build(**{"outputs": 5, "channels": 3, "size": 299} | changes)


def modules(found):
    """Maps and side after each residual module and reduction."""
    names = [name for name in found if name.startswith(("inception", "reduction"))]
    return [found[name][:2] for name in names if "." not in name]


def test_parameters():
    """55,843,464 is the count of timm's network, whose weights are the authors'."""
    entry = ARCHITECTURES["inception_resnet_v2"]
    network = on_meta(inception_resnet_v2.build, size=299)
    assert parameters(network) == entry.params == 55_843_464


def test_sides_and_maps_of_the_released_network():
    found = maps(on_meta(inception_resnet_v2.build, size=299), 299)
    stem = [(32, 149), (32, 147), (64, 147), (64, 73), (80, 73), (192, 71), (192, 35), (320, 35)]
    assert [found[f"stem.{number}"][:2] for number in range(8)] == stem
    assert modules(found) == [(320, 35)] * 10 + [(1088, 17)] * 21 + [(2080, 8)] * 11
    assert found["top"] == (1536, 8, 8)


def test_sides_and_maps_of_the_figures():
    network = on_meta(inception_resnet_v2.build, size=299, variant="paper")
    found = maps(network, 299)
    assert found["stem"] == (384, 35, 35)
    assert modules(found) == [(384, 35)] * 5 + [(1152, 17)] * 11 + [(2144, 8)] * 6
    assert "top" not in found
    assert found["pool"] == (2144, 1, 1)
    shape = network.inception_resnet_c_5.linear.weight.shape
    assert shape == (2144, 192 + 256, 1, 1)


def test_outputs_equal_timms():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        theirs = timm.create_model("inception_resnet_v2")
    ours = build(outputs=1000)
    assert largest_difference(ours, theirs.to_empty(device="cpu"), 75) <= 1e-5


@torch.no_grad()
def test_only_the_last_released_module_has_no_relu():
    released, drawn = build(), build(variant="paper")
    inputs = torch.randn(1, 2080, 1, 1)
    assert (released.inception_resnet_c_9.eval()(inputs) >= 0).all()
    assert (released.inception_resnet_c_last.eval()(inputs) < 0).any()
    assert (drawn.inception_resnet_c_5.eval()(torch.randn(1, 2144, 1, 1)) >= 0).all()


def test_the_network_of_the_figures_trains_at_the_least_size():
    network = build(size=75, channels=1, variant="paper")
    trains_and_evaluates(network, 75, channels=1)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        network(torch.zeros(2, 1, 74, 74))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 74}, "inception_resnet_v2 needs pictures of at least 75 pixels a side, not 74"),
        ({"variant": "v3"}, "inception_resnet_v2's variant is released or paper, not 'v3'"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(UsageError, match=words):
        build(**changes)
