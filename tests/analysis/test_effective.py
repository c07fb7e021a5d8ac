"""The effective receptive field against closed forms, and what the measurement leaves behind."""

import numpy as np
import pytest
import torch
from torch import nn

from hubel.analysis import draw_effective_field, effective_receptive_field
from hubel.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n"


def summing(layers, axes=1):
    """Convolutions of ones, three wide: the gradient of n of them is the n-th trinomial row."""
    make = {1: nn.Conv1d, 2: nn.Conv2d}[axes]
    network = nn.Sequential(*(make(1, 1, 3, padding=1, bias=False) for _ in range(layers)))
    for weight in network.parameters():
        nn.init.ones_(weight)
    return network


def test_a_stack_of_convolutions_of_ones_has_the_trinomial_row():
    measured = effective_receptive_field(summing(12), (1, 61), samples=2)
    row = np.ones(1)
    for _ in range(12):
        row = np.convolve(row, np.ones(3))
    expected = np.zeros(61)
    expected[30 - 12 : 30 + 13] = row / row.sum()
    np.testing.assert_allclose(measured.gradient, expected, rtol=1e-5, atol=1e-9)
    assert measured.gradient.dtype == np.float64
    assert measured.unit == (30,)
    assert measured.theoretical.size == (25,)
    assert (measured.region.start, measured.region.stop) == ((18,), (43,))
    # The variance of a sum of n uniform steps of −1, 0, 1 is 2n/3.
    assert measured.sigma[0] == pytest.approx((2 * 12 / 3) ** 0.5, rel=0.02)
    # The shortest stretch with 95.45%, by trying every one.
    stretches = [
        end - start
        for start in range(61)
        for end in range(start, 62)
        if expected[start:end].sum() >= 0.9545
    ]
    assert measured.size == (min(stretches),)
    assert measured.ratio == (min(stretches) / 25,)


def test_the_effective_field_grows_with_the_root_of_the_depth():
    sizes = [effective_receptive_field(summing(n), (1, 99), samples=1).sigma[0] for n in (9, 36)]
    assert sizes[1] / sizes[0] == pytest.approx(2, rel=0.02)


def test_a_single_box_is_used_whole():
    measured = effective_receptive_field(nn.AvgPool2d(5, 1, 2), (3, 11, 15), samples=1)
    assert measured.size == measured.theoretical.size == (5, 5)
    assert measured.ratio == (1.0, 1.0)


class Restless(nn.Module):
    """Counts, draws, drops and normalises: everything that may be left changed."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(()))
        self.fails = False

    def forward(self, x):
        self.calls += 1
        if self.fails and x.requires_grad:
            raise ValueError("on purpose")
        return self.drop(self.norm(self.conv(x) + torch.rand(())))


@pytest.mark.parametrize("fails", [False, True])
def test_all_is_left_as_it_was(fails):
    torch.manual_seed(3)
    network = Restless().train()
    network.norm.eval()
    network.conv.bias.requires_grad_(False)
    network.conv.weight.grad = torch.full_like(network.conv.weight, 7.0)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    state, network.fails = torch.get_rng_state(), fails
    if fails:
        with pytest.raises(ValueError, match="on purpose"):
            effective_receptive_field(network, (3, 9, 9), "conv", samples=2)
    else:
        effective_receptive_field(network, (3, 9, 9), "conv", samples=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert [one.training for one in network.modules()] == [True, True, False, True]
    assert network.conv.weight.requires_grad
    assert not network.conv.bias.requires_grad
    assert bool((network.conv.weight.grad == 7).all())
    assert network.norm.weight.grad is None
    assert not network.conv._forward_hooks
    for name, one in network.state_dict().items():
        assert torch.equal(one, before[name]), name


def test_the_same_seed_measures_the_same():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    first, again = (effective_receptive_field(network, (3, 9, 9), samples=3) for _ in range(2))
    np.testing.assert_array_equal(first.gradient, again.gradient)
    other = effective_receptive_field(network, (3, 9, 9), samples=3, seed=1)
    assert not np.array_equal(first.gradient, other.gradient)


@pytest.mark.parametrize("axes", [1, 2])
def test_the_picture_is_a_png(axes, tmp_path):
    measured = effective_receptive_field(summing(3, axes), (1, *(15,) * axes), samples=1)
    draw_effective_field(measured, tmp_path / "field.png")
    assert (tmp_path / "field.png").read_bytes().startswith(PNG)


def test_what_cannot_be_measured_is_refused():
    network = summing(2)
    with pytest.raises(UsageError, match="measured on 1 or more inputs, not 0"):
        effective_receptive_field(network, (1, 9), samples=0)
    with pytest.raises(UsageError, match="runs no layer '7'"):
        effective_receptive_field(network, (1, 9), "7")
    with pytest.raises(UsageError, match="The field of Linear is not known; choose another layer"):
        effective_receptive_field(nn.Linear(4, 2), (4,))
    with pytest.raises(UsageError, match="at its middle unit is zero everywhere"):
        nn.init.zeros_(network[0].weight)
        effective_receptive_field(network, (1, 9))
    with pytest.raises(UsageError, match="at its middle unit is not finite"):
        nn.init.constant_(network[0].weight, float("inf"))
        effective_receptive_field(network, (1, 9))
