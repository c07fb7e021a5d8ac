"""Regression: the network learns standardised targets and answers in the targets' own units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hubel.results import Task
from hubel.training.outputs import TrainingOutputs, each

Loss = Callable[[Tensor, Tensor], Tensor]


class InUnits(nn.Module):
    """Gives a network's outputs in the units of the targets.

    y = mean + std · network(x),  x (N, C, H, W), y (N, targets). `mean` and `std` (targets,) are
    buffers, measured on the training split, and so part of the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, targets: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.zeros(targets))
        self.register_buffer("std", torch.ones(targets))

    def measure(self, targets: NDArray[np.float32]) -> None:
        """Take mean and deviation from targets (n, targets); a constant target keeps std 1."""
        deviation = targets.std(0, dtype=np.float64)
        # Rounded to float32 here: mps has no float64.
        self.mean.copy_(torch.from_numpy(targets.mean(0, dtype=np.float64)).float())
        self.std.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1.0)).float())

    def forward(self, pictures: Tensor) -> TrainingOutputs:
        """Return the answers for a batch of pictures, in units; those of auxiliary heads too."""
        return each(
            self.network(pictures), lambda numbers: torch.addcmul(self.mean, self.std, numbers)
        )

    def standardised(self, loss: Loss) -> Loss:
        """Return `loss` taken between standardised answers and targets, free of their units."""
        mean, std = self.mean.clone(), self.std.clone()
        return lambda outputs, targets: loss((outputs - mean) / std, (targets - mean) / std)


def in_units(network: nn.Module, task: Task, outputs: int) -> nn.Module:
    """Return the network as it is trained: wrapped in `InUnits` where numbers are predicted."""
    return InUnits(network, outputs) if task == "regression" else network
