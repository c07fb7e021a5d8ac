"""What a network with auxiliary classifiers returns while it trains."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class WithAuxiliary(NamedTuple):
    """Logits and those of auxiliary heads; in evaluation such a network returns logits alone.

    The training loss is  loss(logits) + weight · Σ loss(auxiliary_i).  Source: szegedy2015going.
    """

    logits: Tensor
    """(n, outputs)."""
    auxiliary: tuple[Tensor, ...]
    """Each (n, outputs)."""
    weight: float
    """Weight of each auxiliary loss: 0.3 in the paper on GoogLeNet."""
