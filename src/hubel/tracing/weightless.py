"""Building a network without the memory and the time of its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class Weightless(TorchFunctionMode):
    """While it is active, modules that are made have their parameters on the meta device.

    Only what `torch.empty` makes is put there, as every layer of torch does with its parameters.
    Unlike `with torch.device("meta")`, a builder that computes widths or rates with tensors keeps
    its numbers.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make empty tensors on the meta device; leave all else as it is."""
        if func is torch.empty:
            return func(*args, **{**(kwargs or {}), "device": "meta"})
        return func(*args, **(kwargs or {}))
