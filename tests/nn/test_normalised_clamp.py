"""Batch normalisation and clamp in C are the formula's, nearer to it than PyTorch's."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.native import library
from hubel.nn.normalised_clamp import (
    UNBOUNDED,
    Bounds,
    Normalisation,
    can_normalise,
    clamp_later,
    normalised_clamp,
)

pytestmark = pytest.mark.skipif(library() is None, reason="there is no C compiler here")


def layer_of(channels: int, random: torch.Generator) -> Normalisation:
    return Normalisation(
        weight=torch.randn(channels, generator=random).requires_grad_(),
        bias=torch.randn(channels, generator=random).requires_grad_(),
        running_mean=torch.zeros(channels),
        running_variance=torch.ones(channels),
        momentum=0.1,
        epsilon=1e-5,
    )


def pictures(shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    drawn = 3 * torch.randn(*shape, generator=random) + 5
    return drawn.contiguous(memory_format=torch.channels_last).requires_grad_()


def unclamped(
    inputs: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(inputs, mean, variance, weight, bias, True, 0.1, 1e-5)


def exact(inputs: Tensor, layer: Normalisation, bounds: Bounds, above: Tensor) -> list[Tensor]:
    """Return output, gradients and running statistics in float64, by PyTorch."""
    mean, variance = torch.zeros_like(layer.bias).double(), torch.ones_like(layer.bias).double()
    x, w, b = (one.detach().double().requires_grad_() for one in (inputs, layer.weight, layer.bias))
    y = unclamped(x, w, b, mean, variance).clamp(*bounds)
    return [y.detach(), *torch.autograd.grad(y, (x, w, b), above.double()), mean, variance]


def far_from(bounds: Bounds, inputs: Tensor, layer: Normalisation) -> Tensor:
    """Return where rounding cannot decide on which side of a bound a result lies."""
    zeros = torch.zeros_like(layer.bias).double()
    given = (one.detach().double() for one in (inputs, layer.weight, layer.bias))
    result = unclamped(*given, zeros, zeros.clone())
    return ((result - bounds[0]).abs() > 1e-4) & ((result - bounds[1]).abs() > 1e-4)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(4, 9),
    channels=st.sampled_from((16, 48, 64, 80)),
    height=st.integers(1, 17),
    width=st.integers(1, 9),
    bounds=st.sampled_from(((0.0, 6.0), (0.0, math.inf), UNBOUNDED, (-1.0, 1.0))),
    later=st.booleans(),
)
def test_it_is_the_formula_in_float64(
    count: int, channels: int, height: int, width: int, bounds: Bounds, later: bool
) -> None:
    random = torch.Generator().manual_seed(channels + height * width)
    layer = layer_of(channels, random)
    inputs = pictures((count, channels, height, width), random)
    above = torch.randn(inputs.shape, generator=random) * far_from(bounds, inputs, layer)
    if later:
        found = normalised_clamp(inputs, layer)
        clamp_later(found, bounds)
    else:
        found = normalised_clamp(inputs, layer, bounds)
    gradients = torch.autograd.grad(found, (inputs, layer.weight, layer.bias), above)
    statistics = layer.running_mean, layer.running_variance
    for one, other in zip(
        [found.detach(), *gradients, *statistics], exact(inputs, layer, bounds, above), strict=True
    ):
        assert one is not None
        scale = float(other.norm()) + 1e-2 * float(above.norm())
        assert float((one - other).norm()) < 5e-5 * scale


def test_the_same_numbers_give_the_same_bits() -> None:
    random = torch.Generator().manual_seed(2)
    layer, inputs = layer_of(64, random), pictures((8, 64, 24, 24), random)
    found = [normalised_clamp(inputs, layer, (0.0, 6.0)) for _ in range(5)]
    gradients = [torch.autograd.grad(one.square().sum(), layer.weight)[0] for one in found]
    assert all(torch.equal(found[0], one) for one in found)
    assert all(torch.equal(gradients[0], one) for one in gradients)


def test_a_clamp_is_taken_back_to_the_same_bits() -> None:
    random = torch.Generator().manual_seed(3)
    layer, inputs = layer_of(32, random), pictures((4, 32, 5, 7), random)
    plain = normalised_clamp(inputs, layer)
    clamped = normalised_clamp(inputs, layer, (0.0, 6.0))
    assert not torch.equal(plain, clamped)
    clamp_later(clamped, UNBOUNDED)
    assert torch.equal(plain, clamped)
    gradients = [torch.autograd.grad(one.square().sum(), inputs)[0] for one in (plain, clamped)]
    assert torch.equal(*gradients)


def test_a_large_mean_costs_no_digits() -> None:
    random = torch.Generator().manual_seed(4)
    layer = layer_of(16, random)
    small = pictures((8, 16, 16, 16), random).detach()
    near, far = (normalised_clamp(small + shift, layer).detach() for shift in (0.0, 4096.0))
    # The input itself is rounded to 2^-11 there; the mean square must not lose more.
    assert float((near - far).abs().max()) < 2e-3


def test_what_is_no_number_stays_visible() -> None:
    random = torch.Generator().manual_seed(5)
    layer, inputs = layer_of(16, random), pictures((2, 16, 4, 4), random).detach()
    inputs[0, 3, 0, 0] = math.nan
    found = normalised_clamp(inputs.requires_grad_(), layer, (0.0, 6.0))
    assert found[:, 3].isnan().all()
    assert found[:, :3].isfinite().all()
    (gradient,) = torch.autograd.grad(found.sum(), inputs)
    assert gradient[:, 3].isnan().all()


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(2, 16, 4, 4, dtype=torch.float64).to(memory_format=torch.channels_last),
        torch.zeros(2, 15, 4, 4).to(memory_format=torch.channels_last),
        torch.zeros(2, 16, 4, 4),
        torch.zeros(2, 16, 16),
        torch.zeros(1, 16, 1, 1),
    ],
)
def test_what_it_cannot_do_is_refused(inputs: Tensor) -> None:
    layer = layer_of(inputs.shape[1], torch.Generator())
    with pytest.raises(UsageError, match="needs a C compiler, and activations in float32"):
        normalised_clamp(inputs, layer)


@pytest.mark.parametrize(
    "change",
    [
        {"weight": torch.ones(15)},
        {"bias": torch.ones(32)},
        {"bias": torch.ones(32)[::2]},
        {"running_mean": torch.ones(16, dtype=torch.float64)},
        {"running_mean": None},
        {"weight": torch.ones(16, device="meta")},
    ],
)
def test_a_layer_that_does_not_fit_is_refused(change: dict[str, Tensor | None]) -> None:
    inputs = torch.zeros(2, 16, 4, 4).to(memory_format=torch.channels_last)
    layer = layer_of(16, torch.Generator())
    assert can_normalise(inputs, layer)
    assert not can_normalise(inputs, replace(layer, **change))
