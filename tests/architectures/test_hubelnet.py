"""hubel's default network: the sides and maps of its table, at any size, and its refusals."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.architectures import hubelnet
from hubel.errors import UsageError


def network(**changes):
    torch.manual_seed(0)
    return hubelnet.build(**{"outputs": 3, "channels": 1, "size": 28} | changes).eval()


def sides(net, channels, size):
    """Maps and side after the stem and after each part of the stages."""
    found = []
    parts = [net.stem, *net.stages]
    handles = [
        part.register_forward_hook(lambda _m, _i, out: found.append(tuple(out.shape[1:])))
        for part in parts
    ]
    with torch.no_grad():
        assert net(torch.zeros(2, channels, size, size)).shape == (2, 3)
    for handle in handles:
        handle.remove()
    return found


@settings(max_examples=12, deadline=None)
@given(size=st.integers(8, 180), channels=st.integers(1, 4), width=st.integers(1, 5))
def test_the_table_holds_at_any_size(size, channels, width):
    stride = 1 if size < 48 else 2 if size < 96 else 4
    side = -(-size // stride)
    expected = []
    for stage in range(3):
        side //= 2
        expected.append((width * 2**stage, side, side))
    expected.append(expected[-1])
    net = network(size=size, channels=channels, width=width)
    assert sides(net, channels, size) == expected


def test_parameters_by_hand():
    w, outputs, channels = 32, 10, 1
    convolutions = 9 * (channels * w + w * 2 * w + 2 * w * 4 * w)
    pair = 2 * 9 * (4 * w) ** 2
    normalisations = 2 * (w + 2 * w + 4 * w + 2 * 4 * w)
    head = 4 * w * outputs + outputs
    net = network(outputs=outputs)
    total = sum(p.numel() for p in net.parameters())
    assert total == convolutions + pair + normalisations + head


def test_block_and_pair_against_their_formulas():
    block = hubelnet.ConvBlock(2, 3, pool=True).train()
    inputs = torch.randn(4, 2, 6, 6)
    raw = torch.nn.functional.conv2d(inputs, block.conv.weight, padding=1)
    pooled = raw.unflatten(2, (3, 2)).unflatten(4, (3, 2)).amax((3, 5))
    mean = pooled.mean((0, 2, 3), keepdim=True)
    variance = ((pooled - mean) ** 2).mean((0, 2, 3), keepdim=True)
    torch.testing.assert_close(block(inputs), ((pooled - mean) / (variance + 1e-5).sqrt()).relu())
    pair = hubelnet.ResidualPair(3).eval()
    maps = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(pair(maps), maps + pair.second(pair.first(maps)))


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (4, 4), (5, 2)])
def test_a_block_begins_by_passing_its_inputs_on(inputs, outputs):
    maps = torch.randn(2, inputs, 6, 6)
    kept = min(inputs, outputs)
    weight = hubelnet.ConvBlock(inputs, outputs).conv.weight
    made = torch.nn.functional.conv2d(maps, weight, padding=1)
    torch.testing.assert_close(made[:, :kept], maps[:, :kept])
    assert (weight[kept:] != 0).all()
    assert weight.requires_grad


def test_pairs_deepen_the_last_stage():
    assert len(network(pairs=0).stages) == 2
    assert len(network(pairs=3).stages) == 5


def test_a_larger_picture_does_not_cost_more_than_the_next_stride():
    assert sides(network(size=47), 1, 47)[0][1] == 23
    assert sides(network(size=48), 1, 48)[0][1] == 12
    assert sides(network(size=96), 1, 96)[0][1] == 12


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 7}, "hubelnet's size must be at least 8, not 7"),
        ({"width": 0}, "hubelnet's width must be at least 1, not 0"),
        ({"pairs": -1}, "hubelnet's pairs must be at least 0, not -1"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(UsageError, match=words):
        network(**changes)
