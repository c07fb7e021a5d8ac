"""Winograd's convolution is the direct one, with its gradients; only the rounding differs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.winograd import tiling, winograd_conv2d

SIDES = st.integers(3, 14)
FEW = st.integers(1, 5)


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


@settings(max_examples=40, deadline=None)
@given(
    pictures=FEW,
    channels=FEW,
    outputs=FEW,
    height=SIDES,
    width=SIDES,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    biased=st.booleans(),
)
def test_it_is_the_direct_convolution_whatever_the_tiles_leave_over(
    pictures: int,
    channels: int,
    outputs: int,
    height: int,
    width: int,
    padding: tuple[int, int],
    biased: bool,
) -> None:
    inputs = drawn(pictures, channels, height, width).requires_grad_()
    weight = drawn(outputs, channels, 3, 3).requires_grad_()
    bias = drawn(outputs).requires_grad_() if biased else None
    with_gradient = [one for one in (inputs, weight, bias) if one is not None]
    direct = F.conv2d(inputs, weight, bias, padding=padding)
    found = winograd_conv2d(inputs, weight, bias, padding)
    torch.testing.assert_close(found, direct)
    assert found.is_contiguous(memory_format=torch.channels_last)
    above = drawn(*direct.shape)
    for one, other in zip(
        torch.autograd.grad(found, with_gradient, above),
        torch.autograd.grad(direct, with_gradient, above),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("of_input", [True, False])
def test_only_the_gradients_that_are_asked_for_are_there(of_input: bool) -> None:
    inputs = drawn(2, 3, 8, 8).requires_grad_(of_input)
    weight = drawn(4, 3, 3, 3).requires_grad_(not of_input)
    winograd_conv2d(inputs, weight).sum().backward()
    assert (inputs.grad is None, weight.grad is None) == (not of_input, of_input)


def test_groups_of_pictures_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, weight = drawn(7, 4, 9, 10).requires_grad_(), drawn(5, 4, 3, 3).requires_grad_()

    def computed() -> list[Tensor]:
        given = winograd_conv2d(inputs, weight)
        return [given, *torch.autograd.grad(given.square().sum(), (inputs, weight))]

    whole = computed()
    # Groups of 3, 3 and 1: memory that a larger group has used is used by a smaller one.
    monkeypatch.setattr(tiling, "PLANE", -(-3 * 9 * 5 // torch.get_num_threads()))
    for one, other in zip(computed(), whole, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("channels", "side"), [(64, 32), (256, 8), (512, 4)])
def test_the_error_in_float32_is_of_the_size_that_the_documentation_states(
    channels: int, side: int
) -> None:
    inputs = drawn(4, channels, side, side, dtype=torch.float32)
    weight = drawn(channels, channels, 3, 3, dtype=torch.float32) / (3 * channels**0.5)
    true = F.conv2d(inputs.double(), weight.double(), padding=1)
    error = (winograd_conv2d(inputs, weight) - true).norm() / true.norm()
    assert float(error) < 6e-6


def test_errors_say_what_came() -> None:
    with pytest.raises(UsageError, match=r"needs a kernel .* not \(4, 3, 5, 5\)"):
        winograd_conv2d(drawn(1, 3, 8, 8), drawn(4, 3, 5, 5))
    with pytest.raises(UsageError, match="input's channels"):
        winograd_conv2d(drawn(1, 2, 8, 8), drawn(4, 3, 3, 3))
    with pytest.raises(UsageError, match="finds no room on an input of 2×8"):
        winograd_conv2d(drawn(1, 3, 2, 8), drawn(4, 3, 3, 3), padding=(0, 0))


def test_what_comes_out_can_be_changed_in_place() -> None:
    inputs, weight = drawn(2, 3, 8, 8), drawn(4, 3, 3, 3)
    found = []
    for convolve in (winograd_conv2d, F.conv2d):
        kernel = weight.clone().requires_grad_()
        F.relu(convolve(inputs, kernel, padding=(1, 1)), inplace=True).sum().backward()
        found.append(kernel.grad)
    torch.testing.assert_close(*found)
