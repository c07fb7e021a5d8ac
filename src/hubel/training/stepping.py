"""The gradients of one step: forward, loss and backward over the batches that it adds up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hubel.data.batching import Batch
from hubel.errors import TrainingError
from hubel.training.outputs import LossFunction, forward, hits, logits_of, losses_of
from hubel.training.settings import Settings

Scale = Callable[[Tensor], Tensor]


def unscaled(loss: Tensor) -> Tensor:
    """Return the loss as it is."""
    return loss


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gradients:
    """What a step found; the gradients themselves stand at the weights."""

    loss: float
    """Mean loss of the step's pictures."""
    hits: int
    """Right answers; 0 where the task has no classes."""
    inputs: Tensor
    """Of the last batch."""
    logits: Tensor
    """Of the last batch, detached."""
    load_s: float
    forward_s: float
    loss_s: float
    backward_s: float


class Stepper:
    """Computes the gradients of a step:  g = ∇ Σ loss(picture) / pictures.

    The sum runs over all pictures of all batches that the step adds up.
    """

    def __init__(
        self, settings: Settings, module: nn.Module, loss: LossFunction, keys: Sequence[str]
    ) -> None:
        self.settings = settings
        self.module = module
        self.loss = loss
        self.keys = keys
        """Names of the source's pictures, by position."""

    def gradients(
        self, batches: Iterable[Batch], *, pictures: int, step: int, scale: Scale = unscaled
    ) -> Gradients:
        """Add the gradients of `batches`, `pictures` in all, to those that the weights have.

        `scale` gives the loss whose gradients are taken (float16 needs a scale).
        Errors: TrainingError where the loss is not finite, in step number `step`.
        """
        times = [0.0, 0.0, 0.0, 0.0]
        total, right = 0.0, 0
        inputs = logits = torch.empty(0)
        for batch in batches:
            inputs = batch.inputs
            t0 = time.perf_counter()
            outputs = forward(self.module, inputs, self.settings.precision)
            t1 = time.perf_counter()
            value = losses_of(self.loss, outputs, batch.targets).sum() / pictures
            t2 = time.perf_counter()
            scale(value).backward()
            t3 = time.perf_counter()
            spent = (batch.waited_s, t1 - t0, t2 - t1, t3 - t2)
            times = [time + more for time, more in zip(times, spent, strict=True)]
            total += float(value.detach())
            self._refuse_non_finite(total, batch, step)
            logits = logits_of(outputs).detach()
            right += hits(logits, batch.targets, self.settings.task)
        load_s, forward_s, loss_s, backward_s = times
        return Gradients(
            loss=total,
            hits=right,
            inputs=inputs,
            logits=logits,
            load_s=load_s,
            forward_s=forward_s,
            loss_s=loss_s,
            backward_s=backward_s,
        )

    def _refuse_non_finite(self, loss: float, batch: Batch, step: int) -> None:
        if math.isfinite(loss):
            return
        named = ", ".join(self.keys[int(row)] for row in batch.positions[:5])
        raise TrainingError(
            f"The loss became {loss} at step {step}, in a batch that begins with {named}; the last "
            f"checkpoint is intact. Try a lower --lr, --clip 1, or hubel data on the source."
        )
