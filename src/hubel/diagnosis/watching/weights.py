"""The weights at sampled updates: size, gradient, and how far they move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.record import WeightRow

ELEMENTS: Final = 4096
"""Of a tensor, on which its change is measured."""


def some(tensor: Tensor) -> Tensor:
    """Return at most 4,096 elements, spread evenly over where they lie in memory: a view.

    A tensor that is not dense is read in the order of its axes, by a copy.
    """
    tensor = tensor.detach()
    count = tensor.numel()
    stride = max(-(-count // ELEMENTS), 1)
    dense = tensor.is_contiguous() or (
        tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    )
    if not dense:
        return tensor.reshape(-1)[::stride]
    return tensor.as_strided((-(-count // stride),), (stride,), tensor.storage_offset())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    name: str
    parameter: nn.Parameter
    weight: Tensor
    gradient: Tensor | None
    elements: Tensor
    zeros: Tensor | None
    """Share of the gradient's elements that are 0, of those that are looked at."""
    spread: float


@final
class Change:
    """One update of the weights, from before it to after it."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        scale: float = 1.0,
        *,
        initial: bool = False,
    ) -> None:
        """Look at the weights before an update; before the first one, also at their spread."""
        self._scale = scale
        self._before: list[_Before] = []
        for name, parameter in parameters.items():
            if not parameter.requires_grad or not parameter.numel():
                continue
            gradient = parameter.grad
            self._before.append(
                _Before(
                    name=name,
                    parameter=parameter,
                    weight=_norm(parameter.detach()),
                    gradient=None if gradient is None else _norm(gradient.detach()),
                    elements=some(parameter).clone(),
                    zeros=None if gradient is None else _zeros(gradient.detach()),
                    spread=_spread(parameter.detach()) if initial else torch.nan,
                )
            )

    def rows(self, step: int) -> list[WeightRow]:
        """Return a row a parameter; its update is what has changed since the beginning."""
        if not self._before:
            return []
        numbers: list[Tensor] = []
        for before in self._before:
            old = before.elements.float()
            change = some(before.parameter).float() - old
            gradient = before.gradient
            numbers += [
                before.weight,
                before.weight.new_tensor(torch.nan) if gradient is None else gradient,
                before.weight.new_tensor(torch.nan) if before.zeros is None else before.zeros,
                change.norm() / len(old) ** 0.5,
                change.abs().mean(),
                old.abs().mean(),
            ]
        # One transfer for all of them.
        device = numbers[0].device
        values = torch.stack([one.to(device) for one in numbers]).reshape(-1, 6).tolist()
        return [
            self._row(step, before, *each)
            for before, each in zip(self._before, values, strict=True)
        ]

    def _row(
        self, step: int, before: _Before, weight: float, gradient: float, *rest: float
    ) -> WeightRow:
        zeros, update, moved, size = rest
        root = before.parameter.numel() ** 0.5
        known = before.gradient is not None
        finite = all(one - one == 0 for one in (weight, update)) and (
            not known or gradient - gradient == 0
        )
        return WeightRow(
            step=step,
            name=before.name,
            weight=weight / root,
            gradient=gradient / root / self._scale if known else torch.nan,
            update=update,
            mean_ratio=moved / size if size else torch.nan,
            finite=finite,
            spread=before.spread,
            zero_gradient=zeros,
        )


def _norm(tensor: Tensor) -> Tensor:
    """Return the Euclidean norm; of a sparse gradient, that of its values."""
    values = tensor.coalesce().values() if tensor.is_sparse else tensor
    return torch.linalg.vector_norm(values, dtype=torch.float32)


def _zeros(gradient: Tensor) -> Tensor:
    """Return the share of zeros among at most 4,096 elements; what is not stored is 0."""
    if gradient.is_sparse:
        stored = gradient.coalesce().values()
        return 1 - stored.count_nonzero().float() / max(gradient.numel(), 1)
    looked = some(gradient)
    return 1 - looked.count_nonzero().float() / max(looked.numel(), 1)


def _spread(weight: Tensor) -> float:
    """Return how far the units (axis 0) are apart, as a share of the size of the weights."""
    if weight.ndim < 2 or not weight.any():
        return torch.nan
    values = weight.float()
    apart = (values - values.mean(0, keepdim=True)).square().mean()
    return float((apart / values.square().mean()).sqrt())
