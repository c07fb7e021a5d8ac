"""Batches in portions, where memory does not suffice to send them through a network whole."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from torch import Tensor

from hubel.errors import RunError, memory_ran_out
from hubel.training.halving import groups, half


class Portions:
    """Sends batches through a network in evaluation mode, at most `at_once` pictures at a time.

    Where memory runs out, `at_once` is halved and the batch sent again. There a picture's outputs
    do not depend on its neighbours: they are the same up to rounding.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self.at_once = at_once

    def through(self, network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        """Return the outputs of `network` for a batch (N, …).

        Errors: RunError where memory does not suffice for one picture.
        """
        while True:
            try:
                parts = [network(part) for part in groups(inputs, self.at_once)]
                return parts[0] if len(parts) == 1 else torch.cat(parts)
            except Exception as error:
                if not memory_ran_out(error):
                    raise
                reason = str(error).strip().split("\n")[0] or type(error).__name__
            # Only here, after the block, has the error let go of the tensors it came from.
            gc.collect()
            now = min(self.at_once or len(inputs), len(inputs))
            if now == 1:
                raise RunError(
                    f"Memory does not suffice to send one picture, {_shape(inputs)}, through the "
                    f"network ({reason}): give the process more memory, or train with a smaller "
                    "--size or --model."
                )
            self.at_once = half(now)


def _shape(inputs: Tensor) -> str:
    return "×".join(str(side) for side in inputs.shape[1:])
