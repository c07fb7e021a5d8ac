"""Inception-v3 against torchvision, its paper's table 1 and the count of the released code."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import Inception_V3_Weights
from torchvision.models import inception_v3 as torchvision_inception_v3

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.architectures import ARCHITECTURES, inception_v3
from hubel.errors import UsageError
from hubel.nn.auxiliary import WithAuxiliary
from inception_oracles import (
    largest_difference,
    macs,
    maps,
    on_meta,
    parameters,
    share_weights,
    trains_and_evaluates,
)


def build(**changes):
    torch.manual_seed(0)
    return inception_v3.build(**{"outputs": 5, "channels": 3, "size": 299} | changes)


def theirs(**arguments):
    with torch.device("meta"):
        network = torchvision_inception_v3(init_weights=False, **arguments)
    return network.to_empty(device="cpu")


def test_parameters_and_macs():
    entry = ARCHITECTURES["inception_v3"]
    meta = Inception_V3_Weights.IMAGENET1K_V1.meta
    full = on_meta(inception_v3.build, size=299)
    alone = on_meta(inception_v3.build, size=299, auxiliary=False)
    assert parameters(full) == entry.params == meta["num_params"] == 27_161_264
    assert parameters(alone) == 23_834_568
    assert macs(alone, 299) == entry.macs
    assert round(entry.macs / 1e9, 3) == meta["_ops"] == 5.713


def test_count_of_the_released_code():
    """Its own test counts 21,802,784 below the head: shift, mean and variance a normalised map."""
    network = on_meta(inception_v3.build, size=299, auxiliary=False)
    kernels = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))
    normalised = sum(m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    assert kernels + 3 * normalised == 21_802_784


def test_sides_and_maps():
    found = maps(on_meta(inception_v3.build, size=299), 299)
    stem = [(32, 149), (32, 147), (64, 147), (64, 73), (80, 73), (192, 71), (192, 35)]
    assert [found[f"stem.{number}"][:2] for number in range(7)] == stem
    modules = {
        "lower.inception_35_1": (256, 35, 35),
        "lower.inception_35_2": (288, 35, 35),
        "lower.inception_35_3": (288, 35, 35),
        "lower.reduction_17": (768, 17, 17),
        "lower.inception_17_4": (768, 17, 17),
        "upper.reduction_8": (1280, 8, 8),
        "upper.inception_8_1": (2048, 8, 8),
        "upper.inception_8_2": (2048, 8, 8),
        "head.pool": (2048, 1, 1),
    }
    assert {name: found[name] for name in modules} == modules


def test_outputs_equal_torchvisions():
    ours = build(outputs=1000, auxiliary=False)
    assert largest_difference(ours, theirs(aux_logits=False), 75) <= 1e-5


@torch.no_grad()
def test_auxiliary_classifier_equals_torchvisions():
    ours, other = build(outputs=1000), theirs(aux_logits=True)
    share_weights(ours.eval(), other.eval())
    inputs = torch.randn(2, 768, 17, 17) * 3
    expected = other.AuxLogits(inputs)
    assert expected.std() > 0.1
    torch.testing.assert_close(ours.auxiliary(inputs), expected, atol=1e-5, rtol=0)


def test_least_size_is_the_smallest_that_works():
    network = build(size=75, channels=1)
    trains_and_evaluates(network, 75, channels=1)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        network(torch.zeros(2, 1, 74, 74))


def test_training_returns_the_auxiliary_logits():
    answer = build(size=75).train()(torch.randn(2, 3, 75, 75))
    assert isinstance(answer, WithAuxiliary)
    assert answer.weight == 0.4
    assert [tuple(logits.shape) for logits in (answer.logits, *answer.auxiliary)] == [(2, 5)] * 2
    alone = build(size=75, auxiliary=False).train()
    assert isinstance(alone(torch.randn(2, 3, 75, 75)), torch.Tensor)


def test_first_weights():
    network = build(outputs=100)
    weight = network.upper.inception_8_2.branches[2][1][0].weight
    assert weight.std().item() == pytest.approx((2 / (448 * 9)) ** 0.5, rel=0.01)
    assert network.auxiliary.conv_5[0].weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert network.auxiliary.fc.weight.std().item() == pytest.approx(0.001, rel=0.02)


def test_refusals():
    words = "inception_v3 needs pictures of at least 75 pixels a side, not 74: below, the last"
    with pytest.raises(UsageError, match=words):
        build(size=74)
