"""Marks for answers: what is right, by the task, and how certain a share is."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from hubel.diagnosis.evidence.setting import Setting

Task = Literal["classification", "multilabel", "regression"]


def different(inputs: Tensor) -> Tensor:
    """Return the places (k,) of pictures that no earlier one is equal to, bit by bit."""
    rows = inputs.detach().cpu().contiguous().flatten(1)
    first: dict[bytes, int] = {}
    for place, row in enumerate(rows.view(torch.uint8).numpy()):
        first.setdefault(row.tobytes(), place)
    return torch.tensor(list(first.values()), dtype=torch.long)


def task_of(setting: Setting, targets: Tensor) -> Task:
    """Return the task, told by the targets where the setting does not know it."""
    if setting.task != "unknown":
        return setting.task
    if not targets.is_floating_point() and targets.ndim == 1:
        return "classification"
    return "multilabel" if bool(((targets == 0) | (targets == 1)).all()) else "regression"


def classes_of(setting: Setting, targets: Tensor) -> Tensor | None:
    """Return one class number a picture, (n,); None where the task has none."""
    if task_of(setting, targets) != "classification":
        return None
    if targets.ndim == 2 and targets.shape[1] > 1:
        return targets.argmax(1)
    return targets.reshape(len(targets)).long()


def right(setting: Setting, outputs: Tensor, targets: Tensor) -> Tensor | None:
    """Return how much of each answer is right, (n,), from 0 to 1; None for regression.

    Classification: the largest output, or for a single one its sign. Several labels: the share of
    the labels that are right.
    """
    probabilities = setting.loss is not None and setting.loss.kind == "bce"
    bar = 0.5 if probabilities else 0.0
    classes = classes_of(setting, targets)
    if classes is not None:
        if outputs.ndim < 2 or outputs.shape[1] == 1:
            return ((outputs.reshape(len(outputs)) > bar).long() == classes).float()
        return (outputs.flatten(2).mean(2) if outputs.ndim > 2 else outputs).argmax(
            1
        ).eq(classes).float()  # fmt: skip
    if task_of(setting, targets) == "multilabel":
        labels = targets.reshape(len(targets), -1) > 0.5
        return ((outputs.reshape(len(outputs), -1) > bar) == labels).float().mean(1)
    return None


def left_over(outputs: Tensor, targets: Tensor) -> Tensor | None:
    """Return each picture's squared error over the targets' variance, (n,): its mean is 1 − R².

    None where outputs and targets are not of one size.
    """
    wanted = targets.reshape(len(targets), -1).float()
    given = outputs.reshape(len(outputs), -1).float()
    if given.shape != wanted.shape:
        return None
    variance = wanted.var(0, correction=0).sum().clamp_min(1e-12)
    return (given - wanted).square().sum(1) / variance


def share_error(share: float, number: float) -> float:
    """Return the standard error of a share p of n: √(p(1 − p)/n), with p drawn to ½ by two answers.

    It stays above 0 at 0 and 1. NaN where nothing was counted, and for what is no share (R² may be
    below 0). Source: wilson1927.
    """
    if not number > 0 or not 0 <= share <= 1:
        return math.nan
    drawn = (share * number + 1) / (number + 2)
    return math.sqrt(drawn * (1 - drawn) / number)


def chance_of(setting: Setting, targets: Tensor) -> float:
    """Return what the most frequent answer alone gets; NaN for regression."""
    classes = classes_of(setting, targets)
    if classes is not None:
        return float(classes.unique(return_counts=True)[1].max()) / len(classes)
    if task_of(setting, targets) == "multilabel":
        often = (targets.reshape(len(targets), -1) > 0.5).float().mean(0)
        return float(torch.maximum(often, 1 - often).mean())
    return math.nan


def balanced(setting: Setting, targets: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Return indices of `number` pictures, as many of each class as can be, drawn at random."""
    order = torch.randperm(len(targets), generator=generator)
    classes = classes_of(setting, targets)
    if classes is None:
        return order[:number]
    seen: dict[int, int] = {}
    turns: list[tuple[int, int]] = []
    for index in order.tolist():
        name = int(classes[index])
        seen[name] = seen.get(name, 0) + 1
        turns.append((seen[name], index))
    turns.sort(key=lambda turn: turn[0])
    return torch.tensor([index for _, index in turns[:number]])
