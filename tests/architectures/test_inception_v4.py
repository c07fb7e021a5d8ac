"""Inception-v4 against its figures and against timm."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.architectures import ARCHITECTURES, inception_v4
from hubel.errors import UsageError
from inception_oracles import (
    largest_difference,
    maps,
    on_meta,
    parameters,
)


def build(**changes):
    torch.manual_seed(0)
    return inception_v4.build(**{"outputs": 5, "channels": 3, "size": 299} | changes)


def test_parameters():
    """42,679,816 is the count of timm's network, whose weights are the authors'."""
    entry = ARCHITECTURES["inception_v4"]
    network = on_meta(inception_v4.build, size=299)
    assert parameters(network) == entry.params == 42_679_816


def test_sides_and_maps_are_those_of_the_figures():
    found = maps(on_meta(inception_v4.build, size=299), 299)
    figure_3 = [(32, 149), (32, 147), (64, 147), (160, 73), (192, 71), (384, 35)]
    assert [found[f"stem.{number}"][:2] for number in range(6)] == figure_3
    names = [name for name in found if name.startswith(("inception", "reduction"))]
    top = {name: found[name] for name in names if "." not in name}
    expected = [(384, 35)] * 4 + [(1024, 17)] * 8 + [(1536, 8)] * 4
    assert [shape[:2] for shape in top.values()] == expected
    assert [name.rpartition("_")[0] for name in top] == [
        *["inception_a"] * 4,
        "reduction_a",
        *["inception_b"] * 7,
        "reduction_b",
        *["inception_c"] * 3,
    ]


def test_outputs_equal_timms():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        theirs = timm.create_model("inception_v4")
    ours = build(outputs=1000)
    assert largest_difference(ours, theirs.to_empty(device="cpu"), 75) <= 1e-5


def test_first_weights_and_dropout():
    network = build(outputs=200)
    weight = network.stem[1][0].weight
    assert weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert network.fc.weight.abs().max().item() == pytest.approx((6 / 1736) ** 0.5, rel=0.01)
    assert network.dropout.p == 0.2


def test_refusals():
    words = "inception_v4 needs pictures of at least 75 pixels a side, not 74: below, the last"
    with pytest.raises(UsageError, match=words):
        build(size=74)
