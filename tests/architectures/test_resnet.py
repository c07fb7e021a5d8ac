"""ResNet: torchvision's output with the same weights, the paper's depths, its three shortcuts."""

import math
import re

import pytest
import torch
import torchvision
from torch import nn

from hubel.architectures import ARCHITECTURES, resnet
from hubel.errors import UsageError


def network(name, **changes):
    torch.manual_seed(0)
    settings = {"outputs": 10, "channels": 3, "size": 64} | changes
    return ARCHITECTURES[name].build(**settings).eval()


def randomise(module):
    """Give batch normalisations statistics and factors that are not those of a fresh network."""
    torch.manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.8, 1.5)
            layer.weight.data.uniform_(0.5, 1.0)
            layer.bias.data.normal_(0, 0.1)
    return module


def copy_in_order(source, target):
    """Copy a state dict tensor by tensor, in order."""
    ours = target.state_dict()
    values = list(source.state_dict().values())
    assert [value.shape for value in values] == [value.shape for value in ours.values()]
    target.load_state_dict(dict(zip(ours, values, strict=True)))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_output_is_torchvisions(name):
    other = randomise(torchvision.models.get_model(name, num_classes=10)).eval()
    net = network(name)
    copy_in_order(other, net)
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = net(pictures), other(pictures)
    assert theirs.abs().max() > 0.05
    assert (ours - theirs).abs().max() <= 1e-5


@pytest.mark.parametrize("name", ["resnet34", "resnet101", "resnet152"])
def test_tensors_fit_torchvisions_in_order(name):
    with torch.device("meta"):
        ours = network(name, outputs=1000).state_dict().values()
        theirs = torchvision.models.get_model(name).state_dict().values()
    assert [value.shape for value in ours] == [value.shape for value in theirs]


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name.startswith("resnet")])
def test_the_name_counts_its_layers(name):
    """The paper counts convolutions and linear layers, without those of shortcuts."""
    with torch.device("meta"):
        net = network(name)
    layers = [
        path
        for path, layer in net.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear) and "shortcut" not in path
    ]
    assert len(layers) == int(name.removeprefix("resnet"))


def test_resnet20_by_hand():
    widths = (16, 32, 64)
    convolutions = 9 * 3 * 16 + 9 * 16 * 16 * 6
    convolutions += 9 * 16 * 32 + 9 * 32 * 32 * 5 + 9 * 32 * 64 + 9 * 64 * 64 * 5
    normalisations = 2 * (16 + sum(6 * width for width in widths))
    assert convolutions + normalisations + 64 * 10 + 10 == ARCHITECTURES["resnet20"].params
    assert ARCHITECTURES["resnet20"].params == 269_722


@pytest.mark.parametrize(
    ("size", "stem", "ends"), [(224, 56, (56, 28, 14, 7)), (33, 9, (9, 5, 3, 2))]
)
def test_sides_of_table_1(size, stem, ends):
    with torch.device("meta"):
        net = network("resnet50")
        maps = net.stem(torch.zeros(1, 3, size, size))
        assert maps.shape == (1, 64, stem, stem)
        for stage, side, width in zip(net.stages, ends, (256, 512, 1024, 2048), strict=True):
            maps = stage(maps)
            assert maps.shape == (1, width, side, side)


def test_shortcut_a_keeps_every_second_pixel_and_adds_zeros():
    maps = torch.randn(2, 3, 5, 4)
    kept = resnet.PaddedIdentity(3, 7, 2)(maps)
    assert kept.shape == (2, 7, 3, 2)
    assert torch.equal(kept[:, :3], maps[:, :, [0, 2, 4]][:, :, :, [0, 2]])
    assert not kept[:, 3:].any()


@pytest.mark.parametrize(
    ("name", "shortcut", "projections"),
    [
        ("resnet34", "A", []),
        ("resnet34", "B", [(128, 64, 2), (256, 128, 2), (512, 256, 2)]),
        ("resnet50", "B", [(256, 64, 1), (512, 256, 2), (1024, 512, 2), (2048, 1024, 2)]),
        ("resnet20", "A", []),
        ("resnet20", "B", [(32, 16, 2), (64, 32, 2)]),
    ],
)
def test_projections_of_shortcuts(name, shortcut, projections):
    with torch.device("meta"):
        net = network(name, shortcut=shortcut)
    found = [
        (layer.out_channels, layer.in_channels, layer.stride[0])
        for path, layer in net.named_modules()
        if "shortcut" in path and isinstance(layer, nn.Conv2d)
    ]
    assert found == projections


def test_shortcut_c_projects_in_every_block():
    net = network("resnet18", shortcut="C")
    shortcuts = [block.shortcut for stage in net.stages for block in stage]
    assert all(isinstance(shortcut[0], nn.Conv2d) for shortcut in shortcuts)
    assert net(torch.randn(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
def test_a_block_is_its_branch_plus_its_shortcut(shortcut):
    torch.manual_seed(0)
    block = randomise(resnet.BasicBlock(4, 6, 2, shortcut)).eval()
    maps = torch.randn(2, 4, 6, 6)
    branch = block.bn2(block.conv2(block.bn1(block.conv1(maps)).clamp(min=0)))
    expected = (branch + block.shortcut(maps)).clamp(min=0)
    torch.testing.assert_close(block(maps), expected)


def test_where_a_bottleneck_halves_the_map():
    for stride_on, strides in (("3x3", (1, 2, 1)), ("1x1", (2, 1, 1))):
        with torch.device("meta"):
            block = network("resnet50", stride_on=stride_on).stages[1][0]
        assert tuple(c.stride[0] for c in (block.conv1, block.conv2, block.conv3)) == strides
    torch.manual_seed(0)
    block = randomise(resnet.Bottleneck(8, 2, 2, "B", "1x1")).eval()
    maps = torch.randn(1, 8, 7, 7)
    thinned = maps[:, :, ::2, ::2]
    expected = block.relu(block.bn1(nn.functional.conv2d(thinned, block.conv1.weight)))
    expected = block.bn3(block.conv3(block.relu(block.bn2(block.conv2(expected)))))
    torch.testing.assert_close(block(maps), block.relu(expected + block.shortcut(maps)))


def test_initial_weights_are_hes():
    net = network("resnet18").train()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 20_000:
            fan_out = layer.out_channels * layer.kernel_size[0] ** 2
            assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.03)
    assert net.head.weight.std().item() == pytest.approx(math.sqrt(1 / 512), rel=0.05)
    assert not net.head.bias.any()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("resnet18", {"shortcut": "D"}, "resnet18's shortcut is A, B or C, not 'D'"),
        ("resnet20", {"shortcut": 1}, "resnet20's shortcut is A, B or C, not 1"),
        ("resnet50", {"stride_on": "7x7"}, "resnet50's stride_on is 3x3 or 1x1, not '7x7'"),
        (
            "resnet34",
            {"stride_on": "1x1"},
            "resnet34 has no 1x1 convolution that could halve the map: leave stride_on out",
        ),
    ],
)
def test_refusals(name, changes, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        network(name, **changes)


@pytest.mark.parametrize("depth", resnet.SECTION_4_2)
def test_the_networks_of_section_4_2_have_n_blocks_a_stage(depth):
    """6n + 2 layers: the first, 2n in each of three stages, and the last."""
    number = (depth - 2) // 6
    assert resnet.SECTION_4_2[depth] == (number, number, number)
    assert depth == 1 + 2 * sum(resnet.SECTION_4_2[depth]) + 1
