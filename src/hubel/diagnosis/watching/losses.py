"""The loss of each picture: the training's own where it is known, else the task's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hubel.diagnosis.evidence.setting import LossFact
from hubel.diagnosis.watching.batches import are_classes

Task = Literal["classification", "multilabel", "regression", "unknown"]


def task_of(labels: Tensor | None, loss: LossFact | None) -> Task:
    """Return what a training is about, by its labels; by its loss where there are none.

    Class numbers, or rows of shares that sum to 1, are of a classification; rows of 0 and 1 are
    several labels a picture; other numbers are of a regression.
    """
    if labels is None:
        kind = "unknown" if loss is None else loss.kind
        return "classification" if kind in ("cross-entropy", "nll", "margin") else "unknown"
    if are_classes(labels):
        return "classification"
    if not labels.is_floating_point() and labels.ndim != 2:
        return "unknown"
    values = labels.detach().float()
    if values.ndim == 2 and values.shape[1] > 1:
        if bool(((values.sum(1) - 1).abs() < 1e-3).all()) and bool((values >= 0).all()):
            return "classification"
        if bool(((values == 0) | (values == 1)).all()):
            return "multilabel"
    binary = loss is not None and loss.kind in ("bce", "bce-logits")
    return "multilabel" if binary else "regression"


def losses(outputs: Tensor, targets: Tensor, loss: LossFact | None, task: Task) -> Tensor:
    """Return the loss of each picture, (n,); NaN where outputs and targets do not fit together.

    A loss whose sign the training turns around is turned around here, too.
    """
    kind = "unknown" if loss is None else loss.kind
    if kind == "unknown":
        kind = _DEFAULT[task]
    outputs, targets = outputs.float(), targets.to(outputs.device)
    try:
        each = _LOSSES[kind](outputs, targets)
    except (RuntimeError, IndexError, ValueError):
        return torch.full((len(outputs),), torch.nan, device=outputs.device)
    each = each.reshape(len(each), -1).mean(1)
    return -each if loss is not None and loss.negated else each


def _like(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return targets of the outputs' shape: class numbers become rows with one 1."""
    if are_classes(targets) and outputs.ndim == 2 and outputs.shape[1] > 1:
        return F.one_hot(targets.reshape(-1).long(), outputs.shape[1]).float()
    return targets.reshape(outputs.shape).float()


def _classes(outputs: Tensor, targets: Tensor) -> Tensor:
    if targets.is_floating_point():
        return targets
    return targets.reshape(-1).long() if are_classes(targets) else targets.long()


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    if outputs.ndim == 1 or (outputs.shape[1] == 1 and are_classes(targets)):
        return _bce_logits(outputs, targets)
    return F.cross_entropy(outputs, _classes(outputs, targets), reduction="none")


def _nll(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.nll_loss(outputs, _classes(outputs, targets), reduction="none")


def _bce(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy(outputs, _like(outputs, targets), reduction="none")


def _bce_logits(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs, _like(outputs, targets), reduction="none")


def _mse(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs, _like(outputs, targets), reduction="none")


def _l1(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.l1_loss(outputs, _like(outputs, targets), reduction="none")


def _smooth_l1(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.smooth_l1_loss(outputs, _like(outputs, targets), reduction="none")


def _margin(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.multi_margin_loss(outputs, _classes(outputs, targets), reduction="none")


_LOSSES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = MappingProxyType(
    {
        "cross-entropy": _cross_entropy,
        "nll": _nll,
        "bce": _bce,
        "bce-logits": _bce_logits,
        "mse": _mse,
        "l1": _l1,
        "smooth-l1": _smooth_l1,
        "margin": _margin,
    }
)
_DEFAULT: Final[Mapping[Task, str]] = MappingProxyType(
    {
        "classification": "cross-entropy",
        "multilabel": "bce-logits",
        "regression": "mse",
        "unknown": "cross-entropy",
    }
)
