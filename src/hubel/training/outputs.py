"""What a network gives while it trains: logits, perhaps with those of auxiliary heads."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hubel.nn.auxiliary import WithAuxiliary
from hubel.options.train import Precision
from hubel.results import Task

TrainingOutputs = Tensor | WithAuxiliary
LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From logits (n, k) and targets to losses (n,)."""


def autocast(device_type: str, precision: Precision) -> torch.autocast:
    """Return the context in which layers compute in `precision`; for float32 it does nothing."""
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device_type, dtype, enabled=precision != "float32")


def forward(module: nn.Module, inputs: Tensor, precision: Precision) -> TrainingOutputs:
    """Return what `module` gives for (n, C, H, W), in float32 whatever it was computed in."""
    if precision == "float32":
        return module(inputs)
    with autocast(inputs.device.type, precision):
        outputs: TrainingOutputs = module(inputs)
    return each(outputs, lambda logits: logits.float())


def each(outputs: TrainingOutputs, change: Callable[[Tensor], Tensor]) -> TrainingOutputs:
    """Return the outputs with `change` applied to the logits of every head."""
    if isinstance(outputs, WithAuxiliary):
        auxiliary = tuple(change(logits) for logits in outputs.auxiliary)
        return WithAuxiliary(change(outputs.logits), auxiliary, outputs.weight)
    return change(outputs)


def logits_of(outputs: TrainingOutputs) -> Tensor:
    """Return the logits (n, k) of the network's own head."""
    return outputs.logits if isinstance(outputs, WithAuxiliary) else outputs


def losses_of(loss: LossFunction, outputs: TrainingOutputs, targets: Tensor) -> Tensor:
    """Return one loss a picture, (n,):  loss(logits) + weight · Σ loss(auxiliary_i).

    Source: szegedy2015going.
    """
    losses = loss(logits_of(outputs), targets)
    if isinstance(outputs, WithAuxiliary):
        for logits in outputs.auxiliary:
            losses = losses + outputs.weight * loss(logits, targets)
    return losses


def hits(logits: Tensor, targets: Tensor, task: Task) -> int:
    """Return how many pictures are right; 0 where the task has no classes.

    Targets are (n,), or shares (n, k) where pictures were blended.
    """
    if task != "classification":
        return 0
    truth = targets.argmax(1) if targets.ndim == 2 else targets
    return int((logits.detach().argmax(1) == truth).sum())


def share_of_right(task: Task, hits: int, pictures: int) -> float:
    """Return hits / pictures; NaN where the task has no classes, or where there are no pictures."""
    return hits / pictures if task == "classification" and pictures else math.nan
