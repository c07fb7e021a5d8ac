"""A step's convolutions and clamps are answered in a faster way, where they can be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.nn.native import library
from hubel.training.hardware import faster as faster_module
from hubel.training.hardware.faster import (
    NOTHING,
    Faster,
    Own,
    faster,
    layer_of,
    three_by_three,
)

LAYER = (3, 5, 8, 8)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what was computed in a faster way."""
    made: list[str] = []
    for name in ("winograd_conv2d", "clamp_in_place"):
        real = getattr(faster_module, name)

        def noted(*args: Any, name: str = name, real: Any = real, **given: Any) -> Tensor:
            made.append(name)
            return real(*args, **given)

        monkeypatch.setattr(faster_module, name, noted)
    return made


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 5, 3, padding=1),
        nn.Conv2d(3, 5, 3, padding="same", bias=False),
        nn.Conv2d(3, 5, 3),
        nn.Conv2d(3, 5, 3, padding="valid"),
    ],
)
def test_a_chosen_layer_goes_by_winograd(layer: nn.Module, calls: list[str]) -> None:
    inputs = torch.randn(2, 3, 8, 8)
    with Faster(Own(layers=(LAYER,))):
        found = layer(inputs)
    assert calls == ["winograd_conv2d"]
    torch.testing.assert_close(found, layer(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 5, 3, stride=2, padding=1),
        nn.Conv2d(3, 5, 3, dilation=2),
        nn.Conv2d(3, 5, 5, padding=2),
        nn.Conv2d(3, 6, 3, groups=3, padding=1),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(3, 5, 3, padding=1).double(),
    ],
)
def test_another_layer_stays_as_it_is(layer: nn.Conv2d, calls: list[str]) -> None:
    inputs = torch.randn(2, 3, 8, 8, dtype=layer.weight.dtype)
    with Faster(Own(layers=(LAYER,))):
        found = layer(inputs)
    assert calls == []
    assert torch.equal(found, layer(inputs))


def test_what_finds_no_room_or_has_no_batch_is_left_to_pytorch() -> None:
    weight = torch.zeros(5, 3, 3, 3)
    assert three_by_three(torch.zeros(3, 8, 8), weight, padding=1) is None
    assert three_by_three(torch.zeros(1, 3, 2, 8), weight) is None
    assert three_by_three(torch.zeros(1, 3, 8, 8), weight, None, (1,), (1,)) is not None
    assert layer_of(torch.zeros(7, 3, 8, 9), weight) == (3, 5, 8, 9)


def test_relu6_in_place_keeps_no_copy_and_the_same_bits(calls: list[str]) -> None:
    def gradient() -> Tensor:
        start = torch.linspace(-3, 9, 25, requires_grad=True)
        nn.ReLU6(inplace=True)(start * 1).square().sum().backward()
        assert start.grad is not None
        return start.grad

    plain = gradient()
    with Faster(NOTHING):
        assert torch.equal(gradient(), plain)
    assert calls == ["clamp_in_place"]


def test_clamps_that_cannot_keep_the_result_are_left_to_pytorch(calls: list[str]) -> None:
    with Faster(NOTHING):
        F.hardtanh(torch.randn(4, requires_grad=True))
        F.hardtanh(torch.randn(4), inplace=True)
        F.hardtanh((torch.randn(4, requires_grad=True) * 1)[:2], inplace=True)
        with torch.no_grad():
            F.hardtanh(torch.randn(4, requires_grad=True) * 1, inplace=True)
        with pytest.raises(RuntimeError, match="leaf"):
            F.hardtanh(torch.randn(4, requires_grad=True), inplace=True)
    assert calls == []


def test_networks_that_gain_nothing_and_compiled_ones_run_as_they_are() -> None:
    clamping = nn.Sequential(nn.Linear(2, 2), nn.ReLU6(inplace=True))
    chosen = Own(layers=(LAYER,))
    assert isinstance(faster(nn.ReLU6(), NOTHING), nullcontext)
    assert isinstance(faster(nn.BatchNorm2d(3), NOTHING), nullcontext)
    assert isinstance(faster(clamping, chosen, compiles=True), nullcontext)
    assert isinstance(faster(clamping, NOTHING), Faster)
    assert isinstance(faster(nn.ReLU(), chosen), Faster)
    assert isinstance(faster(nn.BatchNorm2d(3), Own(native=True)), Faster)


needs_compiler = pytest.mark.skipif(library() is None, reason="there is no C compiler here")


@pytest.fixture
def however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the functions in C normalise few activations too."""
    monkeypatch.setattr(faster_module, "LEAST_NORMALISED", 0)


class Normalised(nn.Module):
    """A convolution, batch normalisation, and what comes then."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 16, 1, bias=False)
        self.normalisation = nn.BatchNorm2d(16)
        self.then = then

    def forward(self, pictures: Tensor) -> Tensor:
        return self.then(self.normalisation(self.convolution(pictures)))


def step(network: nn.Module, context: Any) -> list[Tensor]:
    """Return the output and all gradients and buffers of a step."""
    network.zero_grad()
    inputs = (
        torch.linspace(-2, 2, 2 * 3 * 36).view(2, 3, 6, 6).to(memory_format=torch.channels_last)
    )
    with context:
        found = network(inputs)
    found.square().sum().backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    return [found.detach(), *gradients, *(one.double() for one in network.buffers())]


@needs_compiler
@pytest.mark.usefixtures("however_small")
@pytest.mark.parametrize(
    "then",
    [
        lambda x: F.relu(x, inplace=True),
        lambda x: F.hardtanh(x, 0.0, 6.0, inplace=True),
        lambda x: F.relu(input=x, inplace=True),
        F.relu,
        lambda x: F.relu(x + x, inplace=True),
        lambda x: x,
        lambda x: x * F.relu(x.clone(), inplace=True),
    ],
)
def test_normalisation_with_what_comes_after_is_pytorchs(
    then: Callable[[Tensor], Tensor],
) -> None:
    torch.manual_seed(1)
    network = Normalised(then)
    twin, context = copy.deepcopy(network), Faster(Own(native=True))
    for _ in range(3):
        for one, other in zip(step(network, context), step(twin, nullcontext()), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@needs_compiler
@pytest.mark.usefixtures("however_small")
def test_a_clamp_that_does_not_come_is_taken_back() -> None:
    clamps = [True, True, False, True, False, False]
    networks = []
    for _ in range(2):
        torch.manual_seed(1)
        networks.append(Normalised(lambda x: F.relu(x, inplace=True) if clamps[turn] else x))
    context = Faster(Own(native=True))
    for turn in range(len(clamps)):
        ours, theirs = step(networks[0], context), step(networks[1], nullcontext())
        assert (ours[0].min() >= 0) == clamps[turn]
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@needs_compiler
@pytest.mark.usefixtures("however_small")
def test_the_first_step_has_the_bits_of_the_later_ones() -> None:
    network = Normalised(nn.ReLU6(inplace=True))
    network.normalisation.momentum = 0.0
    context = Faster(Own(native=True))
    first, second = step(network, context), step(network, context)
    assert all(torch.equal(one, other) for one, other in zip(first[:-1], second[:-1], strict=True))


@needs_compiler
@pytest.mark.usefixtures("however_small")
def test_a_watcher_between_sees_what_pytorch_would_show() -> None:
    network = Normalised(nn.ReLU(inplace=True))
    seen: list[float] = []
    context = Faster(Own(native=True))
    step(network, context)
    network.normalisation.register_forward_hook(lambda *given: seen.append(given[2].min().item()))
    found = step(network, context)[0]
    assert seen[0] < 0
    assert found.min() == 0


@pytest.mark.usefixtures("however_small")
def test_evaluation_and_other_inputs_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faster_module, "normalised_clamp", None)
    network, inputs = (
        nn.BatchNorm2d(16),
        torch.zeros(2, 16, 4, 4).to(memory_format=torch.channels_last),
    )
    with Faster(Own(native=True)):
        network(inputs.contiguous())
        nn.BatchNorm2d(16, affine=False)(inputs)
        nn.BatchNorm2d(3)(torch.zeros(2, 3, 4, 4))
        network.eval()(inputs)
        with torch.no_grad():
            network.train()(inputs)


def test_few_activations_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faster_module, "normalised_clamp", None)
    inputs = torch.zeros(2, 16, 8, 8).to(memory_format=torch.channels_last)
    with Faster(Own(native=True)):
        assert nn.BatchNorm2d(16)(inputs).isfinite().all()
