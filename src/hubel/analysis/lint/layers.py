"""Convolutions and matrix products with weights, read out of a trace in one form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hubel.tracing.trace import Operation, Trace, ValueRef, WeightRef

MATRICES: Final = {"addmm": ("mat1", "mat2"), "mm": ("self", "mat2")}
"""Products of a value with a weight: the names of the two arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution or fully-connected layer as it runs once."""

    operation: Operation
    source: int
    """The value that it reads."""
    result: int
    """The value that it makes."""
    inputs: int
    """Channels (features) that it reads."""
    outputs: int
    kernel: tuple[int, ...]
    """Empty for a fully-connected layer."""
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool
    weight: WeightRef
    bias: WeightRef | None
    source_shape: tuple[int, ...]
    result_shape: tuple[int, ...]

    @property
    def convolves(self) -> bool:
        """Whether it is a convolution."""
        return bool(self.kernel)

    @property
    def spatial(self) -> bool:
        """Whether it looks at more than one pixel."""
        return math.prod(self.kernel) > 1

    @property
    def depthwise(self) -> bool:
        """Whether each channel is convolved alone."""
        return self.convolves and self.groups > 1 and self.groups == self.inputs

    @property
    def dense(self) -> bool:
        """Whether it is an ordinary convolution: one group, forward."""
        return self.convolves and self.groups == 1 and not self.transposed

    @property
    def weights(self) -> int:
        """Number of its weights, without the bias."""
        return self.inputs // self.groups * self.outputs * math.prod(self.kernel)

    @property
    def applications(self) -> int:
        """How often each weight is used: positions of the output map, times the batch.

        A transposed convolution uses a weight once a position of its input. Source:
        dumoulin2016guide.
        """
        shape, channels = (
            (self.source_shape, self.inputs)
            if self.transposed
            else (self.result_shape, self.outputs)
        )
        return math.prod(shape) // channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates, as the table of costs counts them: weights times applications."""
        return self.weights * self.applications

    def extent(self, axis: int) -> int:
        """Return the pixels from the first to the last tap of the kernel: d (k - 1) + 1."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1


def layer_of(trace: Trace, operation: Operation) -> Layer | None:
    """Return the layer that an operation is; None where it is none, or its weight is computed."""
    if operation.kind == "convolution":
        return _convolution(trace, operation)
    if operation.kind in MATRICES:
        return _matrix(trace, operation)
    return None


def _convolution(trace: Trace, operation: Operation) -> Layer | None:
    given = operation.arguments
    source, weight, bias = given["input"], given["weight"], given["bias"]
    if not (isinstance(source, ValueRef) and isinstance(weight, WeightRef)):
        return None
    source_shape = trace.values[source.id].shape
    result = operation.outputs[0]
    axes = len(weight.shape) - 2
    transposed = bool(given["transposed"])
    return Layer(
        operation=operation,
        source=source.id,
        result=result,
        inputs=weight.shape[0] if transposed else weight.shape[1] * given["groups"],
        outputs=weight.shape[1] * given["groups"] if transposed else weight.shape[0],
        kernel=tuple(weight.shape[2:]),
        stride=every_axis(given["stride"], axes),
        padding=every_axis(given["padding"], axes),
        dilation=every_axis(given["dilation"], axes),
        groups=given["groups"],
        transposed=transposed,
        weight=weight,
        bias=bias if isinstance(bias, WeightRef) else None,
        source_shape=source_shape,
        result_shape=trace.values[result].shape,
    )


def _matrix(trace: Trace, operation: Operation) -> Layer | None:
    left, right = (operation.arguments[name] for name in MATRICES[operation.kind])
    bias = operation.arguments["self"] if operation.kind == "addmm" else None
    if not (isinstance(left, ValueRef) and isinstance(right, WeightRef)) or len(right.shape) != 2:
        return None
    features = right.shape
    result = operation.outputs[0]
    return Layer(
        operation=operation,
        source=left.id,
        result=result,
        inputs=features[0],
        outputs=features[1],
        kernel=(),
        stride=(),
        padding=(),
        dilation=(),
        groups=1,
        transposed=False,
        weight=right,
        bias=bias if isinstance(bias, WeightRef) else None,
        source_shape=trace.values[left.id].shape,
        result_shape=trace.values[result].shape,
    )


def every_axis(given: Any, axes: int) -> tuple[int, ...]:
    """Return a setting of a window as one number an axis."""
    numbers: Sequence[int] = given if isinstance(given, Sequence) else (given,)
    return tuple(numbers) * axes if len(numbers) == 1 else tuple(numbers)
