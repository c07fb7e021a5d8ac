"""Regression in the units of the targets."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hubel.training.losses import build_loss
from hubel.training.numbers import InUnits, in_units


def test_answers_are_in_units_and_the_loss_is_free_of_them() -> None:
    targets = np.array([[10.0, 1.0], [30.0, 1.0], [20.0, 1.0]], np.float32)
    module = InUnits(nn.Flatten(), 2)
    module.measure(targets)
    raw = torch.tensor([[0.5, -0.25]]).reshape(1, 2, 1, 1)
    deviation = float(np.std([10, 30, 20]))
    expected = torch.tensor([[20 + 0.5 * deviation, 1 - 0.25]])
    torch.testing.assert_close(module(raw), expected)
    truth = torch.tensor([[30.0, 1.5]])
    loss = module.standardised(build_loss("mse", task="regression"))
    plain = (0.5 - 10 / deviation) ** 2, (-0.25 - 0.5) ** 2
    torch.testing.assert_close(loss(module(raw), truth), torch.tensor([sum(plain) / 2]))


def test_only_numbers_are_wrapped() -> None:
    network = nn.Flatten()
    assert in_units(network, "classification", 3) is network
    assert isinstance(in_units(network, "regression", 3), InUnits)
