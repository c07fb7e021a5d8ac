"""Nodes of autograd's graph: their names, shapes and constants, without running anything."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from torch import Tensor
from torch.autograd.graph import Node

_NATIVE: Final = re.compile(r"(\w+)Backward\d+")
_UNSIGNED: Final = 2**63
"""Autograd keeps negative axes as unsigned numbers of 64 bits."""
LINKS: Final = frozenset(
    {
        *("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "T", "Transpose"),
        *("Permute", "ToCopy", "Clone", "Alias", "Slice", "Select", "Index", "Gather", "Narrow"),
        *(
            "Expand",
            "MaskedFill",
            "MaskedSelect",
            "NativeDropout",
            "Unbind",
            "Split",
            "TakeAlongDim",
        ),
    }
)
"""Operations that pick, move or copy numbers and leave their values alone (or leave some out)."""
LAYERS: Final = frozenset(
    {
        *("Addmm", "Mm", "Bmm", "Baddbmm", "Mv", "Addmv", "Linear", "MkldnnLinear", "Convolution"),
        *("ConvolutionOverrideable", "CudnnConvolution", "MkldnnConvolution", "NativeBatchNorm"),
        *("CudnnBatchNorm", "MiopenBatchNorm", "NativeLayerNorm", "NativeGroupNorm"),
    }
)
"""Operations with weights."""


def kind_of(node: Node) -> str:
    """Return the operation of a node, as `Addmm`; empty for what torch itself did not define.

    Functions of users and compiled pieces have no number at the end of their names.
    """
    found = _NATIVE.fullmatch(node.name())
    return found[1] if found else ""


def is_opaque(name: str) -> bool:
    """Return whether a name of a node stands for a piece whose inside cannot be seen."""
    return not _NATIVE.fullmatch(name) and not name.endswith("AccumulateGrad")


def children(node: Node) -> list[Node]:
    """Return the nodes whose results an operation used, without constants."""
    return [one for one, _ in node.next_functions if one is not None]


def shape_of(node: Node) -> tuple[int, ...]:
    """Return the shape of what a node made; empty where torch does not tell."""
    try:
        data: Any = node._input_metadata  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return tuple(int(side) for side in data[0].shape)
    except (AttributeError, IndexError, RuntimeError, TypeError):
        return ()


def saved(node: Node, name: str) -> Any:
    """Return what a node keeps under a name; None where it keeps nothing, or nothing any more."""
    try:
        return getattr(node, f"_saved_{name}", None)
    except RuntimeError:  # The graph was freed, or the tensor was changed since.
        return None


def constant(node: Node) -> float:
    """Return the number that a product or quotient has for its other side; NaN if unknown.

    Numbers on another device are not fetched.
    """
    for name in ("other", "self"):
        value = saved(node, name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, Tensor) and value.numel() == 1 and value.device.type == "cpu":
            return float(value.item())
    return math.nan


def is_weighting(node: Node) -> bool:
    """Return whether a product's other side is a tensor of many numbers."""
    values = (saved(node, name) for name in ("other", "self"))
    return any(isinstance(value, Tensor) and value.numel() > 1 for value in values)


def sign_of_weights(node: Node) -> int:
    """Return 1 where no number of a product's other side is negative, -1 where none is positive."""
    for name in ("other", "self"):
        value = saved(node, name)
        if isinstance(value, Tensor) and value.numel() > 1 and not value.is_complex():
            low, high = (float(one) for one in value.detach().aminmax())
            return 1 if low >= 0 else -1 if high <= 0 else 0
    return 0


def axes_of(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes over which a sum, mean or softmax goes, and the sizes of its operand."""
    sizes = saved(node, "self_sym_sizes")
    sides = shape_of(node) if sizes is None else tuple(map(int, sizes))
    axes = saved(node, "dim")
    if axes is None or axes == ():
        return tuple(range(len(sides))), sides
    numbers = (axes,) if isinstance(axes, int) else tuple(axes)
    rank = max(len(sides), 1)
    return tuple((n - 2 * _UNSIGNED if n >= _UNSIGNED else n) % rank for n in numbers), sides


def reaches(node: Node, wanted: Node) -> bool:
    """Return whether a node's result depends on another's."""
    return any(one is wanted for one in nodes_below(node, stop=wanted))


def nodes_below(*starts: Node, stop: Node | None = None) -> Iterator[Node]:
    """Give every node on which others depend, those included, each once; not those below `stop`."""
    seen = set(starts)
    pending = list(starts)
    while pending:
        node = pending.pop()
        yield node
        if node is stop:
            continue
        for one in children(node):
            if one not in seen:
                seen.add(one)
                pending.append(one)
