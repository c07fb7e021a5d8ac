"""A running average of the weights (EMA), which generalises better than the last weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Exponential moving average of all floating-point weights and buffers.

    After step t:  a_t = d_t a_{t-1} + (1 - d_t) w_t,  with d_t = min(decay, t / (t + 9)).

    The ramp of d_t makes the average forget the random start; it depends on the step alone, so
    that a resumed run goes on exactly. Integer buffers are copied. Source: polyak1992acceleration.
    """

    module: nn.Module
    """A copy of the network that holds the averaged weights."""
    decay: float

    def __init__(self, module: nn.Module, decay: float) -> None:
        if not 0.0 < decay < 1.0:
            raise ValueError(f"the decay of an average lies between 0 and 1, not at {decay}")
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take the weights of `module` after step number `step` (from 1) into the average."""
        averages, others = _tensors(self.module)
        values, counts = _tensors(module)
        # One call for all: what a loop in Python costs is felt with small networks.
        get_ema_multi_avg_fn(min(self.decay, step / (step + 9.0)))(averages, values, step)
        for average, count in zip(others, counts, strict=True):
            average.copy_(count)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the averaged weights from a checkpoint."""
        self.module.load_state_dict(tensors)


def _tensors(module: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return a network's weights and kept buffers: those with fractions, and the whole numbers."""
    tensors = module.state_dict().values()
    return (
        [tensor for tensor in tensors if tensor.is_floating_point()],
        [tensor for tensor in tensors if not tensor.is_floating_point()],
    )
