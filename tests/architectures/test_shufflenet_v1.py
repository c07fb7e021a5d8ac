"""ShuffleNet: table 1's maps and complexities, the shuffle, the units, the scales."""

import pytest
import torch
from torch import nn

from hubel.architectures import shufflenet_v1
from hubel.errors import UsageError

TABLE_1 = {  # groups: maps of stage 2, complexity in millions
    1: (144, 143), 2: (200, 140), 3: (240, 137), 4: (272, 133), 8: (384, 137),
}  # fmt: skip


def by_hand(groups, maps):
    """Parameters and multiply-accumulates of the convolutions, and of the full connection."""
    parameters, macs, inputs, side = 27 * 24 + 48, 27 * 24 * 112**2, 24, 56
    for stage, units in enumerate((4, 8, 4)):
        wide = maps * 2**stage
        narrow = wide // 4
        for unit in range(units):
            first = 1 if stage == unit == 0 else groups
            out = wide - inputs if unit == 0 else wide
            before, side = side, side // 2 if unit == 0 else side
            entry, last = inputs * narrow // first, narrow * out // groups
            parameters += entry + 9 * narrow + last + 2 * (narrow + narrow + out)
            macs += entry * before**2 + (9 * narrow + last) * side**2
            inputs = wide
    return parameters, macs, (inputs + 1) * 1000, inputs * 1000


@pytest.mark.parametrize("groups", TABLE_1)
def test_parameters_and_complexities(count, groups):
    maps, millions = TABLE_1[groups]
    parameters, macs, last_parameters, last_macs = by_hand(groups, maps)
    assert round(macs / 1e6) == millions
    expected = (parameters + last_parameters, macs + last_macs)
    assert count(shufflenet_v1.build, groups=groups) == expected


@pytest.mark.parametrize(("scale", "millions"), [(0.25, 13), (0.5, 38), (1.5, 292), (2, 524)])
def test_scales(count, scale, millions):
    assert round(count(shufflenet_v1.build, scale=scale)[1] / 1e6) == millions


@pytest.mark.parametrize("groups", TABLE_1)
@pytest.mark.parametrize("scale", [0.1, 0.3, 0.77, 1.9, 3])
def test_groups_come_out_whole_at_any_scale(groups, scale):
    with torch.device("meta"):
        net = shufflenet_v1.build(outputs=2, channels=1, size=32, groups=groups, scale=scale)
    assert net(torch.zeros(2, 1, 32, 32, device="meta")).shape == (2, 2)


def test_sides_of_table_1(shapes):
    with torch.device("meta"):
        net = shufflenet_v1.build(outputs=1000, channels=3, size=224)
    found = shapes(net, 224)
    names = [
        "features.0.2",
        "features.1",
        "features.5.relu",
        "features.13.relu",
        "features.17.relu",
    ]
    expected = [(24, 112, 112), (24, 56, 56), (240, 28, 28), (480, 14, 14), (960, 7, 7)]
    assert [found[name] for name in names] == expected


def test_shuffle_spreads_every_group():
    """Map i of group j comes to place i * groups + j."""
    unit = shufflenet_v1.ShuffleUnit(24, 24, stride=1, groups=3, first=3)
    shuffle = next(layer for layer in unit.branch if isinstance(layer, nn.ChannelShuffle))
    maps = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert shuffle(maps).flatten().tolist() == [0, 2, 4, 1, 3, 5]


def test_units_against_figure_2():
    torch.manual_seed(0)
    maps = torch.randn(2, 24, 6, 6)
    unit = shufflenet_v1.ShuffleUnit(24, 24, stride=1, groups=3, first=3).eval()
    assert [type(layer).__name__ for layer in unit.branch[0]] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert [type(layer).__name__ for layer in unit.branch[2]] == ["Conv2d", "BatchNorm2d"]
    assert [type(layer).__name__ for layer in unit.branch[3]] == ["Conv2d", "BatchNorm2d"]
    torch.testing.assert_close(unit(maps), (maps + unit.branch(maps)).relu())
    half = shufflenet_v1.ShuffleUnit(24, 60, stride=2, groups=3, first=1).eval()
    around = torch.nn.functional.pad(maps, (1, 1, 1, 1))
    windows = around.unfold(2, 3, 2).unfold(3, 3, 2).mean((4, 5))
    torch.testing.assert_close(half(maps)[:, :24], windows.relu())
    torch.testing.assert_close(half(maps)[:, 24:], half.branch(maps).relu())


def test_first_unit_is_not_grouped():
    with torch.device("meta"):
        units = shufflenet_v1.build(outputs=2, channels=3, size=32, groups=4).features[2:]
    assert [unit.branch[0][0].groups for unit in units] == [1] + [4] * 15
    assert {unit.branch[3][0].groups for unit in units} == {4}


def test_initial_weights():
    torch.manual_seed(0)
    net = shufflenet_v1.build(outputs=10, channels=3, size=32)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 3000:
            expected = (2 / layer.weight[0].numel()) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
    assert net.classifier.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert net.classifier.bias.abs().max() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": 5}, "shufflenet_v1's groups are 1, 2, 3, 4 or 8, not 5"),
        ({"scale": 0.05}, "shufflenet_v1's scale must be at least 0.1, not 0.05"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(UsageError, match=words):
        shufflenet_v1.build(outputs=2, channels=3, size=32, **changes)
