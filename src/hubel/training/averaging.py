"""A running average of the weights (EMA), which generalises better than the last weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


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
        weight = 1.0 - min(self.decay, step / (step + 9.0))
        state = module.state_dict()
        for name, average in self.module.state_dict().items():
            if average.is_floating_point():
                average.lerp_(state[name], weight)
            else:
                average.copy_(state[name])

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the averaged weights from a checkpoint."""
        self.module.load_state_dict(tensors)
