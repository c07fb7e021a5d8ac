"""A step's convolutions and clamps are answered in a faster way, where they can be."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.training.hardware import faster as faster_module
from hubel.training.hardware.faster import Faster, faster, layer_of, three_by_three

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
    with Faster([LAYER]):
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
    with Faster([LAYER]):
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
    with Faster():
        assert torch.equal(gradient(), plain)
    assert calls == ["clamp_in_place"]


def test_clamps_that_cannot_keep_the_result_are_left_to_pytorch(calls: list[str]) -> None:
    with Faster():
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
    assert isinstance(faster(nn.ReLU6(), (), native=False, compiles=False), nullcontext)
    assert isinstance(faster(clamping, [LAYER], native=False, compiles=True), nullcontext)
    assert isinstance(faster(clamping, (), native=False, compiles=False), Faster)
    assert isinstance(faster(nn.ReLU(), [LAYER], native=False, compiles=False), Faster)
