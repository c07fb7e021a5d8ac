"""What a training's weights, gradients, updates and batches are, in a few numbers each.

Nothing is changed, and no random number is drawn. A few numbers are fetched at once, so that a GPU
is waited for once a sample and not once a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.record import BatchRow, WeightRow

MOST_ENTRIES: Final = 4096
"""Entries of a parameter whose change is measured: spread evenly over it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Before:
    """The trainable parameters of a network and their gradients, just before an update."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    """Root mean square of each."""
    gradients: tuple[float, ...]
    """Root mean square of each gradient, loss scaling taken out; NaN where there is none."""
    finite: tuple[bool, ...]
    """Whether weights and gradient are."""
    entries: tuple[Tensor, ...]
    """Copies of at most MOST_ENTRIES entries of each."""


@torch.no_grad()
def before_update(module: nn.Module, *, loss_scale: float = 1.0) -> Before:
    """Return what is to be known before an update to measure it afterwards.

    `loss_scale` is what gradients are too large by. Frozen and empty parameters are left out.
    """
    found = [(name, one) for name, one in module.named_parameters() if _is_watched(one)]
    weights = [one for _, one in found]
    gradients = [one.grad for one in weights if one.grad is not None]
    sizes = _norms(weights, 2.0)
    found_norms = iter(_norms(gradients, 2.0))
    norms = [0.0 if one.grad is None else next(found_norms) for one in weights]
    return Before(
        names=tuple(name for name, _ in found),
        weights=tuple(
            size / math.sqrt(one.numel()) for size, one in zip(sizes, weights, strict=True)
        ),
        gradients=tuple(
            math.nan if one.grad is None else norm / loss_scale / math.sqrt(one.numel())
            for norm, one in zip(norms, weights, strict=True)
        ),
        finite=tuple(
            math.isfinite(size) and math.isfinite(norm)
            for size, norm in zip(sizes, norms, strict=True)
        ),
        entries=tuple(_entries(one).clone() for one in weights),
    )


@torch.no_grad()
def weight_rows(before: Before, module: nn.Module, step: int) -> list[WeightRow]:
    """Return a row a parameter about the update that was made since `before` was taken.

    update = √mean(Δw²),  mean_ratio = mean|Δw| / mean|w|,  w before the update, over the entries
    that were copied. A gradient that is not finite is NaN, and its row says so.
    """
    if not before.names:
        return []
    parameters = dict(module.named_parameters())
    after = [_entries(parameters[name]) for name in before.names]
    changes = torch._foreach_sub(after, list(before.entries))  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    updates = _norms(changes, 2.0)
    moved, sizes = _norms(changes, 1.0), _norms(before.entries, 1.0)
    return [
        WeightRow(
            step=step,
            name=name,
            weight=_known(before.weights[place]),
            gradient=_known(before.gradients[place]),
            update=_known(updates[place] / math.sqrt(before.entries[place].numel())),
            mean_ratio=_known(moved[place] / sizes[place] if sizes[place] else math.nan),
            finite=before.finite[place] and math.isfinite(updates[place]),
        )
        for place, name in enumerate(before.names)
    ]


def batch_row(
    inputs: Tensor, targets: Tensor, step: int, split: Literal["train", "val"]
) -> BatchRow:
    """Return what a batch (n, channels, …) is; axis 1 of inputs with 2 axes is no channel."""
    values = inputs.detach().float()
    low, high = values.aminmax()
    axes = tuple(axis for axis in range(values.ndim) if axis != 1 or values.ndim < 3)
    variance, mean = torch.var_mean(values, dim=axes, correction=0)
    numbers = torch.cat([torch.stack([low, high]), mean.reshape(-1), variance.reshape(-1)]).tolist()
    least, most, rest = numbers[0], numbers[1], numbers[2:]
    whole = targets.ndim == 1 and not targets.is_floating_point() and not targets.is_complex()
    finite = all(map(math.isfinite, numbers[:2]))
    return BatchRow(
        step=step,
        split=split,
        shape=tuple(inputs.shape),
        dtype=str(inputs.dtype).removeprefix("torch."),
        low=_known(least),
        high=_known(most),
        mean=tuple(_known(number) for number in rest[: len(rest) // 2]),
        std=tuple(
            _known(math.sqrt(number) if number >= 0 else math.nan)
            for number in rest[len(rest) // 2 :]
        ),
        labels=tuple(targets.tolist()) if whole else (),
        finite=finite,
    )


def _is_watched(parameter: nn.Parameter) -> bool:
    return parameter.requires_grad and parameter.numel() > 0 and parameter.is_floating_point()


def _known(number: float) -> float:
    """Return a number that JSON can hold: NaN for what is not finite."""
    return number if math.isfinite(number) else math.nan


def _norms(tensors: Sequence[Tensor], order: float) -> list[float]:
    """Return (Σ|x|^order)^(1/order) of each tensor; they are fetched from their device at once."""
    if not tensors:
        return []
    # The squares of half precision overflow soon.
    plain = [one.detach().float() if one.itemsize < 4 else one.detach() for one in tensors]
    norms = torch._foreach_norm(plain, order)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    return torch.stack([one.double() for one in norms]).tolist()


def _entries(parameter: Tensor) -> Tensor:
    """Return at most MOST_ENTRIES entries of a parameter, evenly spread in its order of memory.

    A channels-last kernel is not brought into another order for that, which would copy it.
    """
    flat = parameter.detach()
    if flat.is_contiguous() or not _is_dense(flat):
        flat = flat.reshape(-1)
    else:
        flat = flat.as_strided((flat.numel(),), (1,), flat.storage_offset())
    return flat[:: -(-flat.numel() // MOST_ENTRIES)]


def _is_dense(tensor: Tensor) -> bool:
    """Return whether the entries of a tensor fill one stretch of memory, each place once."""
    wanted = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size == 1:
            continue
        if stride != wanted:
            return False
        wanted *= size
    return True
