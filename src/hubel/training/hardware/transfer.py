"""Batches on their way to the device that computes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import torch
from torch import Tensor

from hubel.data.batching import Batch


def on_device(batches: Generator[Batch], device: torch.device) -> Generator[Batch]:
    """Return the batches with their tensors on `device`.

    On a processor these are the batches themselves. To a GPU, a batch is copied out of pinned
    memory without waiting, one ahead: the copy runs while the step before it computes. Closing the
    result closes `batches`.
    """
    return batches if device.type == "cpu" else _copied(batches, device)


def _copied(batches: Generator[Batch], device: torch.device) -> Generator[Batch, None, None]:
    try:
        ahead: Batch | None = None
        for batch in batches:
            moved = replace(
                batch,
                inputs=moved_to(batch.inputs, device),
                targets=moved_to(batch.targets, device),
            )
            if ahead is not None:
                yield ahead
            ahead = moved
        if ahead is not None:
            yield ahead
    finally:
        batches.close()


def moved_to(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on `device`; to CUDA through pinned memory, without waiting for the copy."""
    if device.type == "cuda":
        # torch keeps the pinned memory until the copy is done.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
