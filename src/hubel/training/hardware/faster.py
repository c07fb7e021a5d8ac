"""What a training step computes in a faster way than PyTorch: the same values, but for rounding.

A network's own code calls PyTorch's functions; while a step runs, these calls are answered here.
So the network itself stays as it is: what is saved, copied, exported and evaluated is PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hubel.nn.clamping import clamp_in_place
from hubel.nn.winograd import winograd_conv2d
from hubel.nn.winograd.tiling import TAPS

Layer = tuple[int, int, int, int]
"""A convolution of 3 × 3 taps: channels of input and output, height and width of the input."""

_NAMED_PADDING: Final = {"same": (1, 1), "valid": (0, 0)}


def faster(
    module: nn.Module, layers: Collection[Layer], *, native: bool, compiles: bool
) -> AbstractContextManager[object]:
    """Return the context in which the steps of `module` run; it can be entered again and again.

    The convolutions in `layers` go by Winograd's algorithm, with transforms in C where `native` is
    set, and clamping in place keeps no copy. A compiled network is left to its compiler.
    """
    clamps = any(isinstance(one, nn.Hardtanh) and one.inplace for one in module.modules())
    return nullcontext() if compiles or not (layers or clamps) else Faster(layers, native=native)


class Faster(TorchFunctionMode):
    """Answers convolutions of some layers, and clamping in place."""

    def __init__(self, layers: Iterable[Layer] = (), *, native: bool = False) -> None:
        """Let the convolutions in `layers` go by Winograd's algorithm."""
        super().__init__()
        self._layers, self._native = frozenset(layers), native

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Return what `func` gives."""
        given = kwargs or {}
        if func is torch.conv2d:
            call = three_by_three(*args, **given)
            if call is not None and layer_of(call[0], call[1]) in self._layers:
                return winograd_conv2d(*call, native=self._native)
        elif func is F.hardtanh:
            found = _clamped(*args, **given)
            if found is not None:
                return found
        return func(*args, **given)


Call = tuple[Tensor, Tensor, Tensor | None, tuple[int, int]]
"""What `winograd_conv2d` takes."""


def three_by_three(
    input: Tensor,  # noqa: A002 - PyTorch's name
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Call | None:
    """Return what Winograd's algorithm needs for a call of `torch.conv2d`; None where it cannot.

    It can 3 × 3 taps with stride 1, undivided, on pictures in float32 on a processor.
    """
    if tuple(weight.shape[2:]) != (TAPS, TAPS) or groups != 1 or input.ndim != 4 or not len(input):
        return None
    if _pair(stride) != (1, 1) or _pair(dilation) != (1, 1):
        return None
    if input.dtype != torch.float32 or weight.dtype != torch.float32 or input.device.type != "cpu":
        return None
    around = _NAMED_PADDING[padding] if isinstance(padding, str) else _pair(padding)
    if min(side + 2 * p for side, p in zip(input.shape[2:], around, strict=True)) < TAPS:
        return None
    return input, weight, bias, around


def layer_of(inputs: Tensor, weight: Tensor) -> Layer:
    """Return which layer a convolution is, whatever the number of pictures."""
    outputs, channels = weight.shape[:2]
    return channels, outputs, inputs.shape[2], inputs.shape[3]


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value) * (3 - len(value))
    return pair[0], pair[1]


def _clamped(
    input: Tensor,  # noqa: A002 - PyTorch's name
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> Tensor | None:
    """Return the clamped input; None where it is not clamped in place, or PyTorch must do it."""
    needed = torch.is_grad_enabled() and input.requires_grad
    plain = input.is_leaf or input._is_view() or not input.is_floating_point()  # noqa: SLF001
    return clamp_in_place(input, min_val, max_val) if inplace and needed and not plain else None
