"""The transforms in C are those by PyTorch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hubel.nn.native import library
from hubel.nn.winograd import by_c, tiling, winograd_conv2d

SIDES = st.integers(3, 14)
HERE = library() is not None
needs_compiler = pytest.mark.skipif(not HERE, reason="there is no C compiler here")


def computed(
    compiled: bool, inputs: Tensor, weight: Tensor, padding: tuple[int, int]
) -> list[Tensor]:
    given = winograd_conv2d(inputs, weight, padding=padding, native=compiled)
    gradients = torch.autograd.grad(given, (inputs, weight), torch.ones_like(given).cumsum(1) / 16)
    return [given.detach(), *gradients]


@needs_compiler
@settings(max_examples=30, deadline=None)
@given(
    pictures=st.integers(1, 5),
    channels=st.sampled_from((16, 32, 48)),
    outputs=st.sampled_from((16, 32)),
    height=SIDES,
    width=SIDES,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_c_and_pytorch_agree(
    pictures: int, channels: int, outputs: int, height: int, width: int, padding: tuple[int, int]
) -> None:
    assert by_c.has_c(channels, outputs)
    random = torch.Generator().manual_seed(height * width)
    inputs = torch.randn(pictures, channels, height, width, generator=random).requires_grad_()
    weight = torch.randn(outputs, channels, 3, 3, generator=random).requires_grad_()
    both = [computed(way, inputs, weight, padding) for way in (True, False)]
    for one, other in zip(*both, strict=True):
        assert float((one - other).norm()) < 1e-5 * float(other.norm())


@needs_compiler
def test_groups_of_pictures_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = torch.randn(7, 16, 9, 10).requires_grad_()
    weight = torch.randn(32, 16, 3, 3).requires_grad_()
    whole = computed(True, inputs, weight, (1, 1))
    monkeypatch.setattr(tiling, "PLANE", -(-3 * 9 * 32 // torch.get_num_threads()))
    for one, other in zip(computed(True, inputs, weight, (1, 1)), whole, strict=True):
        assert float((one - other).norm()) < 1e-5 * float(other.norm())


def test_odd_channels_and_other_types_go_by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_c.ByC, "input_tiles", None)
    assert not by_c.has_c(3, 16)
    for channels, dtype in ((3, torch.float32), (16, torch.float64)):
        weight = torch.randn(16, channels, 3, 3, dtype=dtype)
        assert winograd_conv2d(torch.randn(1, channels, 8, 8, dtype=dtype), weight).isfinite().all()
