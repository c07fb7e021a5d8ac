"""GoogLeNet against its table 1, and torchvision's variant against torchvision."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import GoogLeNet_Weights
from torchvision.models import googlenet as torchvision_googlenet

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.architectures import ARCHITECTURES, googlenet
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

PAPER = {  # table 1: maps, side, params in 1024s, ops in millions
    "3a": (256, 28, 159, 128),
    "3b": (480, 28, 380, 304),
    "4a": (512, 14, 364, 73),
    "4b": (512, 14, 437, 88),
    "4c": (512, 14, 463, 100),
    "4d": (528, 14, 580, 119),
    "4e": (832, 14, 840, 170),
    "5a": (832, 7, 1072, 54),
    "5b": (1024, 7, 1388, 71),
}
MISPRINTED_PARAMS = {"4a", "4c", "4d", "4e", "5a", "5b"}  # their own rows give other numbers
MISPRINTED_OPS = {"5a"}


def build(**changes):
    torch.manual_seed(0)
    return googlenet.build(**{"outputs": 5, "channels": 3, "size": 224} | changes)


def theirs(**arguments):
    with torch.device("meta"):
        network = torchvision_googlenet(init_weights=False, **arguments)
    return network.to_empty(device="cpu")


def test_parameters_and_macs():
    entry = ARCHITECTURES["googlenet"]
    full = on_meta(googlenet.build, size=224)
    alone = on_meta(googlenet.build, size=224, auxiliary=False)
    assert parameters(full) == entry.params == 13_378_280
    assert parameters(alone) == 6_998_552
    assert macs(full, 224) == macs(alone, 224) == entry.macs
    meta = GoogLeNet_Weights.IMAGENET1K_V1.meta
    variant = on_meta(googlenet.build, size=224, variant="torchvision", auxiliary=False)
    assert parameters(variant) == meta["num_params"] == 6_624_904
    assert round(macs(variant, 224) / 1e9, 3) == meta["_ops"] == 1.498
    assert parameters(on_meta(googlenet.build, size=224, variant="torchvision")) == 13_004_888


def test_sides_and_maps_are_those_of_table_1():
    found = maps(on_meta(googlenet.build, size=224), 224)
    assert found["body.conv_1"] == (64, 112, 112)
    assert found["body.pool_1"] == (64, 56, 56)
    assert found["body.conv_2"] == (192, 56, 56)
    assert found["body.pool_2"] == (192, 28, 28)
    assert found["body.pool_3"] == (480, 14, 14)
    assert found["body.pool_4"] == (832, 7, 7)
    assert found["head.pool"] == (1024, 1, 1)
    for name, (depth, side, _, _) in PAPER.items():
        assert found[f"body.inception_{name}"] == (depth, side, side)


def test_counts_of_the_modules_against_the_columns_of_table_1():
    network = on_meta(googlenet.build, size=224)
    for name, (_, side, thousands, millions) in PAPER.items():
        module = network.get_submodule(f"body.inception_{name}")
        kernels = sum(
            layer.weight.numel() for layer in module.modules() if hasattr(layer, "weight")
        )
        assert (abs(kernels / 1024 - thousands) > 1.1) == (name in MISPRINTED_PARAMS), name
        assert (abs(kernels * side**2 / 1e6 - millions) > 1.1) == (name in MISPRINTED_OPS), name
    second = sum(
        network.get_submodule(f"body.{name}.conv").weight.numel() for name in ("reduce_2", "conv_2")
    )
    assert second / 1024 == 112
    assert round(second * 56**2 / 1e6) == 360
    separable = 7 * 7 * 3 * 8 + 24 * 64  # what the first row of table 1 counts
    assert (round(separable / 1000, 1), round(separable * 112**2 / 1e6)) == (2.7, 34)
    assert network.body.conv_1.conv.weight.numel() == 7 * 7 * 3 * 64


def test_a_module_has_the_branches_of_figure_2():
    module = build().body.inception_4b.branches
    shapes = [[tuple(layer.weight.shape) for layer in branch.modules() if hasattr(layer, "weight")]
              for branch in module]  # fmt: skip
    assert shapes == [
        [(160, 512, 1, 1)],
        [(112, 512, 1, 1), (224, 112, 3, 3)],
        [(24, 512, 1, 1), (64, 24, 5, 5)],
        [(64, 512, 1, 1)],
    ]
    assert isinstance(module[3][0], nn.MaxPool2d)


def test_response_normalisation_stands_before_and_after_the_second_convolution():
    names = list(build().body._modules)
    assert names[:7] == ["conv_1", "pool_1", "norm_1", "reduce_2", "conv_2", "norm_2", "pool_2"]
    norm = build().body.norm_1
    inputs = torch.randn(1, 6, 2, 2) * 100
    squares = inputs[0].square()
    for number in range(6):
        window = squares[max(0, number - 2) : number + 3].sum(0)
        expected = inputs[0, number] / (1 + 1e-4 / 5 * window) ** 0.75
        torch.testing.assert_close(norm(inputs)[0, number], expected)


def test_torchvisions_variant_equals_torchvision():
    ours = build(outputs=1000, variant="torchvision", auxiliary=False)
    assert largest_difference(ours, theirs(aux_logits=False), 32) <= 1e-5


@torch.no_grad()
def test_auxiliary_classifiers_equal_torchvisions():
    ours, other = build(outputs=1000, variant="torchvision"), theirs(aux_logits=True)
    share_weights(ours, other)
    ours.heads.eval()
    other.aux1.eval()
    other.aux2.eval()
    for name, head in (("inception_4a", other.aux1), ("inception_4d", other.aux2)):
        inputs = torch.randn(2, head.conv.conv.in_channels, 9, 9)
        expected = head(inputs)
        assert expected.std() > 0.1
        torch.testing.assert_close(ours.heads[name](inputs), expected, atol=1e-5, rtol=0)


def test_papers_auxiliary_classifier_averages_5x5_with_stride_3():
    head = build().heads["inception_4a"].eval()
    inputs = torch.randn(2, 512, 14, 14)
    means = inputs.unfold(2, 5, 3).unfold(3, 5, 3).mean((4, 5))
    assert means.shape == (2, 512, 4, 4)
    hidden = head.fc_1(head.conv(means).flatten(1)).relu()
    torch.testing.assert_close(head(inputs), head.fc_2(hidden))
    assert head(torch.randn(2, 512, 28, 30)).shape == (2, 5)


@pytest.mark.parametrize(("variant", "least"), [("paper", 31), ("torchvision", 15)])
def test_least_size_is_the_smallest_that_works(variant, least):
    network = build(size=least, variant=variant, channels=2)
    trains_and_evaluates(network, least, channels=2)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        network(torch.zeros(2, 2, least - 1, least - 1))


def test_training_returns_both_auxiliary_logits():
    network = build(size=31)
    answer = network.train()(torch.randn(2, 3, 31, 31))
    assert isinstance(answer, WithAuxiliary)
    assert answer.weight == 0.3
    assert [tuple(logits.shape) for logits in (answer.logits, *answer.auxiliary)] == [(2, 5)] * 3
    alone = build(size=31, auxiliary=False).train()
    assert isinstance(alone(torch.randn(2, 3, 31, 31)), torch.Tensor)


def test_first_weights_are_caffes():
    network = build(outputs=10)
    for layer in (network.body.conv_1.conv, network.heads["inception_4a"].fc_1):
        bound = (3 / layer.weight[0].numel()) ** 0.5
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert (layer.bias == 0.2).all()
    for layer in (network.head.fc, network.heads["inception_4d"].fc_2):
        assert (layer.bias == 0).all()
    normal = build(outputs=10, variant="torchvision").heads["inception_4a"].fc_1.weight
    assert normal.std().item() == pytest.approx(0.01, rel=0.01)


def test_dropout_is_the_papers():
    network = build()
    assert (network.head.dropout.p, network.heads["inception_4a"].dropout.p) == (0.4, 0.7)
    assert build(variant="torchvision").head.dropout.p == 0.2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"size": 30},
            "googlenet needs pictures of at least 31 pixels a side, not 30: below, pool_4 runs out",
        ),
        ({"size": 14, "variant": "torchvision"}, "at least 15 .*, not 14: below, pool_3 runs out"),
        ({"variant": "caffe"}, "googlenet's variant is paper or torchvision, not 'caffe'"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(UsageError, match=words):
        build(**changes)
