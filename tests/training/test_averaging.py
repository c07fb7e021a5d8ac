"""The running average against a plain re-derivation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.training.averaging import WeightAverage


def test_average_follows_its_formula() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = WeightAverage(module, 0.9)
    expected = {name: tensor.clone().double() for name, tensor in module.state_dict().items()}
    for step in range(1, 150):
        with torch.no_grad():
            for weight in module.parameters():
                weight.add_(torch.randn_like(weight))
        module(torch.randn(4, 2))
        average.update(module, step)
        decay = min(0.9, step / (step + 9))
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * tensor.double()
            else:
                expected[name] = tensor.double()
    for name, tensor in average.module.state_dict().items():
        torch.testing.assert_close(tensor.double(), expected[name], rtol=1e-5, atol=1e-5)
    assert not any(weight.requires_grad for weight in average.module.parameters())


@pytest.mark.parametrize("decay", [0.0, 1.0, -1.0, 2.0])
def test_decay_outside_its_range(decay: float) -> None:
    with pytest.raises(ValueError, match="decay of an average lies between 0 and 1"):
        WeightAverage(nn.Linear(1, 1), decay)
