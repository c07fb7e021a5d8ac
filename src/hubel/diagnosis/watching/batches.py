"""What is what in a batch, in a call and in an output: pictures, labels, logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from hubel.diagnosis.evidence.record import BatchRow

PICTURES: Final = (
    *("pixel_values", "images", "image", "inputs", "input", "pictures", "img", "imgs", "data", "x"),
)
LABELS: Final = ("labels", "label", "targets", "target", "classes", "class", "y")
LOGITS: Final = ("logits", "out", "outputs", "output", "prediction", "predictions")
_FEW: Final = 4096
"""Labels of a batch that are kept."""


def parts(batch: Any) -> tuple[Tensor | None, Tensor | None]:
    """Return pictures and labels of a batch: a pair, a tuple, a list, or a mapping by names."""
    if isinstance(batch, Tensor):
        return batch, None
    if isinstance(batch, Mapping):
        pictures, labels = _named(batch, PICTURES), _named(batch, LABELS)
        others = [one for one in batch.values() if isinstance(one, Tensor) and one is not labels]
    elif isinstance(batch, Sequence) and not isinstance(batch, str):
        pictures, labels = None, None
        others = [one for one in batch if isinstance(one, Tensor)]
    else:
        return None, None
    if pictures is None:
        pictures = max(others, key=lambda one: one.numel(), default=None)
    if labels is None:
        length = len(pictures) if pictures is not None and pictures.ndim else -1
        rest = [one for one in others if one is not pictures and one.ndim and len(one) == length]
        labels = rest[0] if rest else None
    return pictures, labels


def _named(batch: Mapping[Any, Any], names: Sequence[str]) -> Tensor | None:
    found = (batch[name] for name in names if name in batch)
    return next((one for one in found if isinstance(one, Tensor)), None)


def pictures_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Return the pictures that a network was called with."""
    for argument in args:
        if isinstance(argument, Tensor):
            return argument
        if isinstance(argument, Mapping | list | tuple):
            return parts(argument)[0]
    return parts(kwargs)[0] if kwargs else None


def logits_of(outputs: Any) -> Tensor | None:
    """Return the main output of a network: (n, …), the first where there are several."""
    if isinstance(outputs, Tensor):
        return outputs if outputs.ndim else None
    if isinstance(outputs, Mapping):
        named = _named(outputs, LOGITS)
        several = list(outputs.values())
    else:
        named = getattr(outputs, "logits", None)
        several = list(outputs) if isinstance(outputs, list | tuple) else []
    if isinstance(named, Tensor):
        return named
    return next((one for one in several if isinstance(one, Tensor) and one.ndim > 1), None)


def are_classes(labels: Tensor | None) -> bool:
    """Return whether labels are class numbers, (n,) or (n, 1)."""
    if labels is None or labels.is_floating_point() or labels.is_complex():
        return False
    return labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)


def right(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the share of right answers of each picture, (n,); NaN where it has no meaning.

    Class numbers: argmax over axis 1, or the sign of a single logit. Several labels: the share of
    logits on the right side of 0. Rows of shares that sum to 1: argmax of both.
    """
    labels = labels.to(outputs.device)
    if are_classes(labels):
        labels = labels.reshape(-1)
        if outputs.ndim == 1 or (outputs.ndim == 2 and outputs.shape[1] == 1):
            return ((outputs.reshape(-1) > 0) == (labels > 0)).float()
        if outputs.ndim == 2:
            return (outputs.argmax(1) == labels).float()
    elif outputs.ndim == 2 and labels.shape == outputs.shape:
        if outputs.shape[1] > 1 and bool((labels.sum(1) - 1).abs().max() < 1e-3):
            return (outputs.argmax(1) == labels.argmax(1)).float()
        if bool(((labels == 0) | (labels == 1)).all()):
            return ((outputs > 0) == (labels > 0)).float().mean(1)
    return torch.full((len(outputs),), torch.nan, device=outputs.device)


def batch_row(step: int, split: Any, pictures: Tensor, labels: Tensor | None) -> BatchRow:
    """Return what a batch is: shape, range, mean and deviation of each channel, labels."""
    values = pictures.detach().float()
    axes = [axis for axis in range(values.ndim) if axis != 1] if values.ndim > 2 else None
    if values.numel():
        low, high = (float(one) for one in values.aminmax())
        mean, std = values.mean(axes), values.std(axes, unbiased=False)
    else:
        low = high = torch.nan
        mean = std = torch.full((1,), torch.nan)
    kept = labels.reshape(-1)[:_FEW].tolist() if labels is not None and are_classes(labels) else ()
    return BatchRow(
        step=step,
        split=split,
        shape=tuple(pictures.shape),
        dtype=str(pictures.dtype).removeprefix("torch."),
        low=low,
        high=high,
        mean=tuple(mean.reshape(-1).tolist()),
        std=tuple(std.reshape(-1).tolist()),
        labels=tuple(int(one) for one in kept),
        finite=low - low == 0 == high - high,
    )
