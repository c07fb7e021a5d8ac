"""Clamping in place is PyTorch's, bit by bit, and keeps one tensor instead of two."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hubel.nn.clamping import clamp_in_place


def values() -> Tensor:
    special = torch.tensor([0.0, -0.0, 6.0, float("nan"), float("inf"), -float("inf"), 1e-45])
    drawn = torch.randn(93, generator=torch.Generator().manual_seed(1)) * 5
    return torch.cat([special, drawn]).requires_grad_()


def test_values_and_gradients_are_those_of_pytorch() -> None:
    found, expected, above = values(), values(), torch.arange(100.0)
    ours = clamp_in_place(found * 1, 0.0, 6.0)
    theirs = F.hardtanh(expected * 1, 0.0, 6.0, inplace=True)
    ours.backward(above)
    theirs.backward(above)
    assert found.grad is not None
    assert expected.grad is not None
    assert torch.equal(ours.nan_to_num(7), theirs.nan_to_num(7))
    assert torch.equal(found.grad, expected.grad)


def test_it_happens_in_place_and_keeps_the_result_alone() -> None:
    before = values() * 1
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one) or one, lambda x: x):
        after = clamp_in_place(before, 0.0, 6.0)
    assert after.data_ptr() == before.data_ptr()
    assert [one.data_ptr() for one in kept] == [before.data_ptr()]
