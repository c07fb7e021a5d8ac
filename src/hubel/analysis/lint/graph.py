"""A trace with what many rules ask of it, worked out once: readers, layers, cuts, depth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import final

from hubel.analysis.lint.kinds import RESHAPES
from hubel.analysis.lint.layers import Layer, layer_of
from hubel.tracing.trace import Operation, Trace


@final
class Graph:
    """The operations of a trace, as the rules walk over them."""

    trace: Trace
    readers: tuple[tuple[int, ...], ...]
    """Of each value, the operations that read it."""
    live: frozenset[int]
    """Operations on which an output depends."""
    layers: tuple[Layer, ...]
    """Live layers in the order in which they run."""
    by_operation: dict[int, Layer]

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        readers: list[list[int]] = [[] for _ in trace.values]
        for operation in trace.operations:
            for value in dict.fromkeys(operation.inputs):
                readers[value].append(operation.id)
        self.readers = tuple(map(tuple, readers))
        self.live = self._reached()
        found = (layer_of(trace, operation) for operation in trace.operations)
        self.layers = tuple(one for one in found if one and one.operation.id in self.live)
        self.by_operation = {layer.operation.id: layer for layer in self.layers}
        self._parents = frozenset(call.parent for call in trace.calls)

    def _reached(self) -> frozenset[int]:
        """Walk back from the outputs, and from numbers that steer the forward pass itself."""
        values, operations = self.trace.values, self.trace.operations
        reached: set[int] = set()
        pending = list(self.trace.outputs)
        for operation in operations:
            if not operation.outputs:
                reached.add(operation.id)
                pending.extend(operation.inputs)
        while pending:
            maker = values[pending.pop()].operation
            if maker is not None and maker not in reached:
                reached.add(maker)
                pending.extend(operations[maker].inputs)
        return frozenset(reached)

    def name(self, operation: Operation) -> str:
        """Return where an operation stands, for people: a module's path, or path and operator."""
        call = self.trace.calls[operation.caller]
        path = f"{call.path} (call {call.call + 1})" if call.call else call.path
        if operation.caller not in self._parents and path:
            return path
        return f"{path}: {operation.kind}" if path else operation.kind

    def layer_name(self, layer: Layer) -> str:
        """Return where a layer stands."""
        return self.name(layer.operation)

    def maker(self, value: int) -> Operation | None:
        """Return the operation that made a value; None for an input."""
        made_by = self.trace.values[value].operation
        return None if made_by is None else self.trace.operations[made_by]

    def reading(self, value: int) -> Iterator[Operation]:
        """Give the live operations that read a value."""
        for place in self.readers[value]:
            if place in self.live:
                yield self.trace.operations[place]

    def elements(self, value: int) -> int:
        """Return the numbers that a value holds."""
        return math.prod(self.trace.values[value].shape)

    def unfolded(self, value: int) -> int:
        """Return the value of which this one is only another shape."""
        maker = self.maker(value)
        while maker is not None and maker.kind in RESHAPES and len(maker.inputs) == 1:
            value = maker.inputs[0]
            maker = self.maker(value)
        return value

    def cuts(self) -> tuple[int, ...]:
        """Return the values through which all that reaches the output passes, in order.

        A value is a cut where, between two operations, it is the only one that is still needed.
        """
        trace = self.trace
        last_reader = [max((o for o in of if o in self.live), default=-1) for of in self.readers]
        for value in trace.outputs:
            last_reader[value] = len(trace.operations)
        open_values = {value for value in trace.inputs if last_reader[value] >= 0}
        found = list(open_values) if len(open_values) == 1 else []
        for operation in trace.operations:
            if operation.id not in self.live:
                continue
            for value in operation.inputs:
                if last_reader[value] == operation.id:
                    open_values.discard(value)
            open_values.update(v for v in operation.outputs if last_reader[v] >= 0)
            if len(open_values) == 1:
                (value,) = open_values
                if not found or found[-1] != value:
                    found.append(value)
        return tuple(found)

    def depths(self) -> list[int]:
        """Return, for each value, the most layers with weights on a way to it."""
        depths = [0] * len(self.trace.values)
        for operation in self.trace.operations:
            depth = max((depths[value] for value in operation.inputs), default=0)
            depth += operation.id in self.by_operation
            for value in operation.outputs:
                depths[value] = max(depths[value], depth)
        return depths
