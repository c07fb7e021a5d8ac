"""The losses: one value a picture, so that the caller can weigh, sort and average them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from hubel.errors import UsageError, look_up
from hubel.results import Task

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs (n, k) and targets to losses (n,)."""

TASKS: Final[Mapping[str, tuple[Task, ...]]] = {
    "cross-entropy": ("classification",),
    "bce": ("multilabel",),
    "focal": ("classification", "multilabel"),
    "mse": ("regression",),
    "l1": ("regression",),
    "smooth-l1": ("regression",),
}
"""Which tasks each loss fits."""

DEFAULT_LOSS: Final[Mapping[Task, str]] = {
    "classification": "cross-entropy",
    "multilabel": "bce",
    "regression": "smooth-l1",
}


def build_loss(
    name: str,
    *,
    task: Task,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    focal_gamma: float = 2.0,
) -> Loss:
    """Return the loss called `name`: outputs (n, k) and targets to one loss a picture, (n,).

    Classification: targets are int64 (n,) or shares (n, k) that sum to 1 (mixup), and with
    t = (1 - s) target + s / k, s the smoothing, w the class weights, p = softmax(outputs):

        cross-entropy  -sum_c w_c t_c log p_c
        focal          -sum_c w_c t_c (1 - p_c)^gamma log p_c

    Several labels: targets are (n, k) in 0 to 1, t = (1 - s) target + s / 2, p = sigmoid(outputs),
    w the weights of the present labels; means over the k labels of

        bce            -w t log p - (1 - t) log (1 - p)
        focal          -w t (1 - p)^gamma log p - (1 - t) p^gamma log (1 - p)

    Numbers: targets are (n, k), e = outputs - targets; means over k of

        mse e^2        l1 |e|        smooth-l1 e^2 / 2 where |e| < 1, else |e| - 1/2

    Errors: UsageError for an unknown name, a loss that does not fit the task, a smoothing outside
    [0, 1), a negative gamma, and smoothing or weights where numbers are predicted.
    Source: szegedy2016rethinking (label smoothing), lin2017focal, girshick2015fast (smooth-l1).
    """
    fitting = look_up(TASKS, name, "loss")
    if task not in fitting:
        fits = ", ".join(loss for loss, tasks in TASKS.items() if task in tasks)
        raise UsageError(f"--loss {name} does not fit a {task} task; losses that do: {fits}.")
    if not 0 <= label_smoothing < 1:
        raise UsageError(f"--label-smoothing must be from 0 to below 1, not {label_smoothing:g}.")
    if not focal_gamma >= 0:
        raise UsageError(f"--focal-gamma must be 0 or more, not {focal_gamma:g}.")
    if task == "regression":
        if label_smoothing or class_weights is not None:
            setting = "--label-smoothing" if label_smoothing else "--balance weights"
            raise UsageError(f"{setting} does not fit --loss {name}: numbers have no classes.")
        return _numbers(name)
    gamma = focal_gamma if name == "focal" else 0.0
    build = _classes if task == "classification" else _labels
    return build(class_weights, label_smoothing, gamma)


def _classes(weights: Tensor | None, smoothing: float, gamma: float) -> Loss:
    """Return cross-entropy (gamma 0) or focal loss over softmax."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        logs = F.log_softmax(outputs, dim=1)
        if targets.ndim == 1 and not gamma and weights is None and not smoothing:
            return -logs.gather(1, targets[:, None]).squeeze(1)
        shares = targets
        if targets.ndim == 1:
            shares = F.one_hot(targets, outputs.shape[1])
        shares = shares.to(outputs.dtype) * (1 - smoothing) + smoothing / outputs.shape[1]
        terms = -shares * logs
        if gamma:
            terms = terms * _power(-torch.expm1(logs), gamma)
        return (terms if weights is None else terms * weights.to(outputs)).sum(1)

    return loss


def _labels(weights: Tensor | None, smoothing: float, gamma: float) -> Loss:
    """Return binary cross-entropy (gamma 0) or focal loss over sigmoids."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        present = targets.to(outputs.dtype) * (1 - smoothing) + smoothing / 2
        yes = -present * F.logsigmoid(outputs)
        no = -(1 - present) * F.logsigmoid(-outputs)
        if gamma:
            yes = yes * _power(torch.sigmoid(-outputs), gamma)
            no = no * _power(torch.sigmoid(outputs), gamma)
        return (yes + no if weights is None else yes * weights.to(outputs) + no).mean(1)

    return loss


def _power(base: Tensor, exponent: float) -> Tensor:
    """Return base^exponent with a finite gradient at base 0 (exponents below 1 have none)."""
    return base.clamp_min(torch.finfo(base.dtype).tiny) ** exponent


def _numbers(name: str) -> Loss:
    """Return a loss of numbers."""
    function: Any = {"mse": F.mse_loss, "l1": F.l1_loss, "smooth-l1": F.smooth_l1_loss}[name]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return function(outputs, targets.to(outputs.dtype), reduction="none").mean(1)

    return loss


def balance_weights(labels: NDArray[Any], num_classes: int) -> Tensor:
    """Return weights against imbalance, float32 (num_classes,).

    Classes (labels int (n,)): w_c = n / (K n_c), K the classes present, so that the mean weight
    over the pictures is 1; absent classes have weight 0. Several labels (0 and 1, (n, k)): weight
    of the present label = absent / present, where it is present at all, else 1.
    """
    if labels.ndim == 1:
        counts = np.bincount(labels, minlength=num_classes).astype(np.float64)
        present = counts > 0
        weights = np.zeros(num_classes)
        weights[present] = len(labels) / (present.sum() * counts[present])
    else:
        counts = (labels > 0).sum(0).astype(np.float64)
        weights = np.where(counts > 0, (len(labels) - counts) / np.maximum(counts, 1), 1.0)
        weights = np.maximum(weights, 1 / max(len(labels), 1))
    return torch.tensor(weights, dtype=torch.float32)
