"""Inference without the memory for a whole batch: the same outputs, cut as little as can be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hubel.errors import RunError
from hubel.training.inference import forward
from hubel.training.portions import Portions


class Tight(nn.Module):
    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.layer = nn.Linear(4, 2)
        self.seen: list[int] = []

    def forward(self, inputs: Tensor) -> Tensor:
        if len(inputs) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")
        self.seen.append(len(inputs))
        return self.layer(inputs)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_batch_in_portions_is_the_batch(*, mirror: bool) -> None:
    module, portions = Tight(3), Portions()
    inputs = torch.randn(10, 4)
    outputs = forward(module, inputs, mirror=mirror, portions=portions)
    module.most = 1000
    torch.testing.assert_close(outputs, forward(module, inputs, mirror=mirror))
    assert portions.at_once == 3
    module.most, module.seen = 3, []
    forward(module, inputs, portions=portions)
    assert module.seen == [3, 3, 2, 2]


def test_memory_that_does_not_suffice_for_one_picture() -> None:
    with pytest.raises(RunError, match=r"to send one picture, 4, through the network .*--size or"):
        forward(Tight(0), torch.randn(10, 4))


def test_other_errors_are_passed_on() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        forward(Tight(9), torch.randn(2, 5))
