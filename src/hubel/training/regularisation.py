"""Regularisation that torch's optimizers and losses do not have: dropout in any network."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hubel.errors import UsageError


def add_dropout(module: nn.Module, share: float) -> None:
    """Drop `share` of the features before the last linear layer of any network, in training only.

    Each feature is 0 with probability `share`, else divided by (1 - share). The layer stays as it
    is, with the same names in its state. Errors: UsageError for a share outside [0, 1) and for a
    network without a linear layer. Source: srivastava2014dropout.
    """
    if not 0 <= share < 1:
        raise UsageError(f"--dropout must be from 0 to below 1, not {share:g}.")
    if share == 0:
        return
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise UsageError(
            f"--dropout {share:g} does not fit {type(module).__name__}: it has no linear layer."
        )

    def drop(layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (F.dropout(inputs[0], share, training=layer.training),)

    layers[-1].register_forward_pre_hook(drop)
