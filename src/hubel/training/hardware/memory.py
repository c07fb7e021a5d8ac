"""How many pictures at a time fit into the memory: estimated from the network's graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from hubel.analysis.memory import training_peak
from hubel.errors import HubelError
from hubel.tracing import trace
from hubel.tracing.stand_ins import randomness_kept
from hubel.training.hardware.limits import available_memory

MARGIN: Final = 1.4
"""How much more the process takes than the estimate: kernels' workspace, kept heap, batches ahead.

Peak resident memory of training steps, beyond PyTorch and the weights, was 0.94 to 1.36 times
the estimate for three networks of the literature (n = 1 each, see docs/speed.md).
"""
LEAST: Final = 2
"""Batch normalisation in training needs two pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How many pictures are computed at a time, and why."""

    pictures: int
    fits: bool
    """Whether that is the whole batch."""
    reason: str


def fit_memory(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    batch: int,
    device: torch.device,
    available: int | None = None,
) -> Fit:
    """Return the batch, or the largest of its halves, quarters, … that fits into the memory.

    It fits where MARGIN times the estimated peak of a training step is at most what is available
    (`available` bytes, by default as `available_memory` says). The estimate is linear in the
    pictures, so it is taken from two small traces. A network that cannot be traced is given the
    batch. Batch statistics are those of the pictures that are computed at a time.
    """
    room = available_memory(device) if available is None else available
    few = min(batch, LEAST)
    small = None if room is None else _peak(module, input_shape, few)
    if room is None or small is None:
        return Fit(pictures=batch, fits=True, reason="the memory it needs is not known")
    if MARGIN * small * batch <= room * few:
        # No less than the truth, since the weights are counted once for every two pictures.
        return Fit(pictures=batch, fits=True, reason="it fits into the memory by far")
    large = _peak(module, input_shape, 2 * few) or 2 * small
    each = (large - small) / few
    fixed = small - each * few
    pictures = batch
    while pictures > few and MARGIN * (fixed + each * pictures) > room:
        pictures = max(-(-pictures // 2), few)
    needed = f"a step on {batch} needs about {_gigabytes(MARGIN * (fixed + each * batch))}"
    return Fit(
        pictures=pictures,
        fits=pictures == batch,
        reason=f"{needed} of the {_gigabytes(room)} that are available",
    )


def _peak(module: nn.Module, input_shape: tuple[int, int, int], pictures: int) -> int | None:
    """Return the estimated peak of a training step, in bytes; None where it is unknown."""
    try:
        with randomness_kept():
            return training_peak(trace(module, input_shape, batch=pictures))
    except HubelError:
        return None
    except Exception:  # noqa: BLE001 - any network must be trainable, readable or not
        return None


def _gigabytes(number: float) -> str:
    return f"{number / 1e9:.2f} GB"
