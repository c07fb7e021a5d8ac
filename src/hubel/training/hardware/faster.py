"""What a training step computes in a faster way than PyTorch: the same values, but for rounding.

A network's own code calls PyTorch's functions; while a step runs, these calls are answered here.
So the network itself stays as it is: what is saved, copied, exported and evaluated is PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hubel.nn.clamping import clamp_in_place
from hubel.nn.normalised_clamp import (
    UNBOUNDED,
    Bounds,
    Normalisation,
    can_normalise,
    clamp_later,
    normalised_clamp,
)
from hubel.nn.winograd import winograd_conv2d
from hubel.nn.winograd.tiling import TAPS
from hubel.options.train import Precision

Layer = tuple[int, int, int, int]
"""A convolution of 3 × 3 taps: channels of input and output, height and width of the input."""
Call = tuple[Tensor, Tensor, Tensor | None, tuple[int, int]]
"""What `winograd_conv2d` takes."""

LEAST_NORMALISED: Final = 1 << 17
"""Activations of a batch normalisation from which on the functions in C were measured to gain."""
_NAMED_PADDING: Final = {"same": (1, 1), "valid": (0, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What hubel computes itself where PyTorch would be slower."""

    layers: tuple[Layer, ...] = ()
    """Convolutions that go by Winograd's algorithm."""
    native: bool = False
    """Whether their transforms, and batch normalisations, go by hubel's functions in C."""


NOTHING: Final = Own()


def obstacle(precision: Precision, channels_last: bool, device: torch.device) -> str:
    """Return why PyTorch computes all by itself; empty where hubel's own functions can help."""
    if device.type != "cpu":
        return f"the network computes on {device}"
    if precision != "float32":
        return f"the network computes in {precision}"
    return "" if channels_last else "the network computes on contiguous activations"


def faster(
    module: nn.Module, own: Own, *, compiles: bool = False
) -> AbstractContextManager[object]:
    """Return the context in which the steps of `module` run; it can be entered again and again.

    What `own` says is computed by hubel, and clamping in place keeps no copy. A compiled network is
    left to its compiler.
    """
    modules = tuple(module.modules())
    gaining = any(isinstance(one, nn.Hardtanh) and one.inplace for one in modules)
    gaining |= own.native and any(isinstance(one, nn.BatchNorm2d) for one in modules)
    return Faster(own) if (own.layers or gaining) and not compiles else nullcontext()


class Faster(TorchFunctionMode):
    """Answers convolutions of some layers, batch normalisations, and clamping in place.

    A clamp in place that comes right after a batch normalisation is computed with it: which one it
    will be is known from the step before. Where another call comes, the clamp is taken back.
    """

    def __init__(self, own: Own) -> None:
        """Compute what `own` says."""
        super().__init__()
        self._layers, self._native = frozenset(own.layers), own.native
        self._following: dict[int, Bounds] = {}
        """Bounds of the clamp after a normalisation, by its weight."""
        self._latest: tuple[Tensor, int, Bounds] | None = None
        """What the call just before normalised, by which weight, and how it is clamped already."""

    def __exit__(self, *error: object) -> None:
        """Leave what was normalised last as it should be."""
        self._settle()
        super().__exit__(*error)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Return what `func` gives."""
        given = kwargs or {}
        bounds = _BOUNDS[func](*args, **given) if func in _BOUNDS else None
        clamped: Any = None if bounds is None else args[0] if args else given["input"]
        if bounds is not None and self._latest is not None and self._latest[0] is clamped:
            return self._clamped(*self._latest, bounds)
        self._settle()
        answer = None
        if func is torch.conv2d and self._layers:
            call = three_by_three(*args, **given)
            if call is not None and layer_of(call[0], call[1]) in self._layers:
                answer = winograd_conv2d(*call, native=self._native)
        elif func is F.batch_norm and self._native:
            answer = self._normalised(*args, **given)
        elif func is F.hardtanh and bounds is not None and _can_clamp(clamped):
            answer = clamp_in_place(clamped, *bounds)
        return func(*args, **given) if answer is None else answer

    def _normalised(
        self,
        input: Tensor,  # noqa: A002 - PyTorch's name
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor | None:
        """Return the normalised input, clamped as in the step before; None where PyTorch must."""
        if not training or weight is None or bias is None or not torch.is_grad_enabled():
            return None
        layer = Normalisation(weight, bias, running_mean, running_var, momentum, eps)
        if input.numel() < LEAST_NORMALISED or not can_normalise(input, layer):
            return None
        bounds = self._following.get(id(weight), UNBOUNDED)
        outputs = normalised_clamp(input, layer, bounds)
        if outputs.requires_grad:
            self._latest = outputs, id(weight), bounds
        return outputs

    def _clamped(self, outputs: Tensor, key: int, known: Bounds, bounds: Bounds) -> Tensor:
        """Return what was normalised just before, with the clamp that it is given now."""
        self._latest = None
        if bounds != known:
            clamp_later(outputs, bounds)
            self._following[key] = bounds
        return outputs

    def _settle(self) -> None:
        """Take back a clamp that did not come."""
        latest, self._latest = self._latest, None
        if latest is not None and latest[2] != UNBOUNDED:
            outputs, key, _ = latest
            clamp_later(outputs, UNBOUNDED)
            self._following[key] = UNBOUNDED


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


def _can_clamp(inputs: Tensor) -> bool:
    """Return whether the gradient can be taken from the result; else PyTorch must clamp."""
    needed = torch.is_grad_enabled() and inputs.requires_grad
    plain = inputs.is_leaf or inputs._is_view() or not inputs.is_floating_point()  # noqa: SLF001
    return needed and not plain


def _hardtanh(
    input: Tensor,  # noqa: A002, ARG001 - PyTorch's name
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> Bounds | None:
    return (min_val, max_val) if inplace else None


def _relu(input: Tensor, inplace: bool = False) -> Bounds | None:  # noqa: A002, ARG001
    return (0.0, math.inf) if inplace else None


_BOUNDS: Final[dict[Callable[..., Any], Callable[..., Bounds | None]]] = {
    F.hardtanh: _hardtanh,
    F.relu: _relu,
}
"""The bounds of functions that clamp, where they do it in place."""
