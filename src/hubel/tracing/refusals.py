"""What an operation that raised without numbers raises with them.

A wrong shape is refused alike on every device: then a real pass, seconds for a network with large
weights, would only end in the same error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from hubel.tracing.containers import tensors_in

MOST_BYTES: Final = 2**30
"""Bytes of tensors up to which an operation is tried with numbers."""


def error_with_numbers(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Exception | None:
    """Return what an operation on the meta device raises on zeros of the CPU, if it does.

    Its words are clearer than those without numbers. None too where that cannot be tried (large
    tensors, other layouts).
    """
    tensors = [*tensors_in(args), *tensors_in(kwargs)]
    if not any(tensor.is_meta for tensor in tensors):
        return None
    if any(one.layout is not torch.strided or one.is_quantized for one in tensors):
        return None
    if sum(math.prod(one.shape) * one.element_size() for one in tensors) > MOST_BYTES:
        return None
    try:
        func(*_with_zeros(args), **{name: _with_zeros(one) for name, one in kwargs.items()})
    except Exception as problem:  # noqa: BLE001  # whatever it raises, it does not run
        return problem
    return None


def _with_zeros(held: Any) -> Any:
    """Return arguments with zeros for every tensor."""
    if isinstance(held, Tensor):
        return torch.zeros(held.shape, dtype=held.dtype)
    if isinstance(held, (tuple, list)):
        return [_with_zeros(one) for one in held]
    return held
