"""What a step changes before the weights: kept, so that it can be taken back bit for bit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hubel.training.hardware.devices import random_state, set_random_state
from hubel.training.inference import device_of


class Undo:
    """Buffers and random state of a network as they were before a step.

    A forward pass in training mode changes running statistics and draws random numbers; weights,
    optimizer and average change later, in the update.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._parts = [part for part in module.modules() if any(part.named_buffers(recurse=False))]
        self._kept: list[tuple[nn.Module, str, Tensor]] = []
        self._device = device_of(module)
        self._random = random_state(self._device)

    @torch.no_grad()
    def mark(self) -> None:
        """Remember the state that the next step begins with."""
        self._kept = [
            (part, name, buffer.clone())
            for part in self._parts
            for name, buffer in part.named_buffers(recurse=False)
        ]
        self._random = random_state(self._device)

    @torch.no_grad()
    def back(self) -> None:
        """Go back to the state at `mark`, and clear the gradients."""
        for part, name, copy in self._kept:
            buffer = part.get_buffer(name)
            if buffer.shape == copy.shape:
                buffer.copy_(copy)
            else:
                setattr(part, name, copy)
        set_random_state(self._device, self._random)
        self.module.zero_grad(set_to_none=True)
