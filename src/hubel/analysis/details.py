"""What tells an operation from others of its kind, in a few words: `3x3, stride 2, padding 1`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hubel.tracing import ConstantRef, Operation, ValueRef, WeightRef


def details(operation: Operation, axes: int = 3) -> str:
    """Return the numbers of a convolution or a pooling; empty for other kinds.

    Numbers that are as usual are left out: stride 1 of a convolution, stride = kernel of a
    pooling, no padding, no dilation, one group. Settings are those of the last `axes` axes: torch
    runs some 1-D layers as 2-D operations of height 1.
    """
    rule = next((rule for part, rule in DETAILS.items() if part in operation.kind), None)
    if rule is None:
        return ""
    arguments = {
        name: value[-axes:] if name in PER_AXIS and isinstance(value, (list, tuple)) else value
        for name, value in operation.arguments.items()
    }
    return ", ".join(filter(None, rule(arguments)))


PER_AXIS: Final = frozenset({"dilation", "kernel_size", "output_size", "padding", "stride"})
"""Arguments that have a number for each axis."""


def _convolution(arguments: Mapping[str, Any]) -> list[str]:
    """Kernel, and what is not usual of a convolution."""
    weight = arguments["weight"]
    shape = weight.shape if isinstance(weight, (WeightRef, ConstantRef)) else ()
    parts = [_sides(shape[2:])] if len(shape) > 2 else []
    parts += _unusual("stride", arguments["stride"], 1)
    parts += _unusual("padding", arguments["padding"], 0)
    parts += _unusual("dilation", arguments["dilation"], 1)
    groups = arguments["groups"]
    if groups > 1:
        depthwise = len(shape) > 1 and shape[1] == 1
        parts.append("depthwise" if depthwise else f"{groups} groups")
    if arguments.get("transposed"):
        parts.append("transposed")
    return parts


def _pooling(arguments: Mapping[str, Any]) -> list[str]:
    """Kernel, and what is not usual of a pooling."""
    kernel = arguments["kernel_size"]
    parts = [_sides(kernel)]
    stride = arguments.get("stride") or kernel
    if list(stride) != list(kernel):
        parts += _unusual("stride", stride, 0)
    parts += _unusual("padding", arguments.get("padding", ()), 0)
    if arguments.get("ceil_mode"):
        parts.append("rounded up")
    return parts


def _adaptive(arguments: Mapping[str, Any]) -> list[str]:
    """The size that an adaptive pooling gives."""
    size = arguments["output_size"]
    return ["" if isinstance(size, (ValueRef, int)) else f"to {_sides(size)}"]


DETAILS: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "convolution": _convolution,
    "adaptive": _adaptive,
    "pool": _pooling,
}
"""By a part of the operation's kind; the first that fits."""


def _sides(sides: Sequence[int]) -> str:
    """Return 3x3 for (3, 3)."""
    return "x".join(map(str, sides))


def _unusual(name: str, values: Sequence[int], usual: int) -> list[str]:
    """Return a setting in words unless all its numbers are `usual`."""
    if all(value == usual for value in values):
        return []
    same = len(set(values)) == 1
    return [f"{name} {values[0] if same else _sides(values)}"]
