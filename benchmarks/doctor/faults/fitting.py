"""Faults of fitting and of batch normalisation."""

from __future__ import annotations

from typing import Any, Final

import torch.nn.functional as F
from torch import nn

from benchmarks.doctor.faults.fault import Change, Fault, each, loss, network, numbers


def _norms(**values: Any) -> Change:
    """Return a change of all batch normalisations."""

    def change(net: nn.Module) -> None:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for name, value in values.items():
                    setattr(module, name, value)

    return network(change)


_NORM: Final[Change] = numbers(norm=True)

FAULTS: Final = (
    Fault(name="label-smoothing-of-0.95", family="fit",
          change=loss(lambda outputs, targets: F.cross_entropy(
              outputs, targets, label_smoothing=0.95)),
          accepted=("fit/over-regularised", "fit/underfitting", "loss/wrong-kind",
                    "labels/noise")),
    Fault(name="one-pass", family="fit", change=numbers(epochs=1), accepted=(
        "fit/too-short", "fit/underfitting")),
    Fault(name="weight-decay-of-0.1", family="fit", change=numbers(weight_decay=0.1),
          accepted=("fit/over-regularised",)),
    Fault(name="narrow-and-dropout", family="fit",
          change=each(numbers(width=0.25, dropout=0.8)),
          accepted=("fit/over-regularised", "design/capacity", "fit/underfitting")),
    Fault(name="batch-norm-momentum-of-1e-4", family="normalisation",
          change=_norms(momentum=1e-4), base=_NORM,
          accepted=("normalisation/drift", "normalisation/train-eval")),
    Fault(name="batch-norm-momentum-of-1", family="normalisation",
          change=_norms(momentum=1.0), base=_NORM, expected_harmless=True,
          accepted=("normalisation/drift", "normalisation/train-eval")),
    Fault(name="batch-of-2-with-batch-norm", family="normalisation",
          change=numbers(batch=2, epochs=1), base=_NORM,
          accepted=("normalisation/small-batch", "normalisation/train-eval", "rate/too-high",
                    "normalisation/drift")),
    Fault(name="batch-norm-eps-of-100", family="normalisation", change=_norms(eps=100.0),
          base=_NORM, accepted=("gradient/vanishing", "initialisation/scale", "rate/too-low",
                                "design/other")),
)  # fmt: skip
