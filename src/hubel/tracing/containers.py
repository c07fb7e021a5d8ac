"""The tensors inside what modules and operations take and return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor


def tensors_in(held: Any) -> Iterator[Tensor]:
    """Give the tensors inside nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(held, Tensor):
        yield held
    elif isinstance(held, (tuple, list)):
        for one in held:
            yield from tensors_in(one)
    elif isinstance(held, Mapping):
        for one in held.values():
            yield from tensors_in(one)
    elif hasattr(held, "__dataclass_fields__"):
        for name in held.__dataclass_fields__:
            yield from tensors_in(getattr(held, name))
