"""What a cost rule may look at: the shapes and settings of one operation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hubel.tracing import ConstantRef, Operation, Trace, ValueRef, WeightRef

Shape = tuple[int, ...]


class Sizes:
    """The shapes and settings of one operation of a trace."""

    __slots__ = ("_trace", "arguments", "operation")

    def __init__(self, trace: Trace, operation: Operation) -> None:
        self._trace = trace
        self.operation = operation
        self.arguments = operation.arguments

    def shape(self, argument: str) -> Shape:
        """Return the shape of a tensor among the arguments; () where there is none."""
        return self.shape_of(self.arguments.get(argument))

    def shape_of(self, reference: Any) -> Shape:
        """Return the shape of what stands for a tensor; () for numbers and None."""
        if isinstance(reference, ValueRef):
            return self._trace.values[reference.id].shape
        if isinstance(reference, (WeightRef, ConstantRef)):
            return reference.shape
        return ()

    def is_given(self, argument: str) -> bool:
        """Return whether an argument is a tensor."""
        return isinstance(self.arguments.get(argument), (ValueRef, WeightRef, ConstantRef))

    def is_weight(self, argument: str) -> bool:
        """Return whether an argument is a parameter or buffer."""
        return isinstance(self.arguments.get(argument), WeightRef)

    @property
    def into(self) -> Shape:
        """Shape of the first value that it reads."""
        return self._trace.values[self.operation.inputs[0]].shape

    @property
    def out(self) -> Shape:
        """Shape of the first value that it makes; (0,) where it makes none."""
        made = self.operation.outputs
        return self._trace.values[made[0]].shape if made else (0,)

    @property
    def elements_in(self) -> int:
        """Elements of the first value that it reads."""
        return math.prod(self.into)

    @property
    def elements_out(self) -> int:
        """Elements of the first value that it makes."""
        return math.prod(self.out)

    def per_axis(self, argument: str, axes: int, default: int) -> tuple[int, ...]:
        """Return a setting for each spatial axis: one number stands for all, none for `default`."""
        given: Sequence[int] | int | None = self.arguments.get(argument)
        numbers = (given,) if isinstance(given, int) else tuple(given or (default,))
        return numbers * axes if len(numbers) == 1 else numbers
