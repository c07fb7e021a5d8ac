"""One operation as the field rules see it: its arguments, with tensors as field maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hubel.tracing.fields.field_map import FieldMap, blind_map
from hubel.tracing.trace import ConstantRef, Operation, Trace, ValueRef, WeightRef

Outcome = FieldMap | Sequence[FieldMap | None]
"""The map of the first output, or those of all outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operation whose inputs' maps are known."""

    operation: Operation
    trace: Trace
    maps: Sequence[FieldMap | None]
    """By value."""
    notes: list[str]

    def map_of(self, reference: Any) -> FieldMap | None:
        """Return the map of a tensor argument; None where it does not depend on the input."""
        return self.maps[reference.id] if isinstance(reference, ValueRef) else None

    def field(self, name: str) -> FieldMap:
        """Return the map of an argument; a blind one where it does not depend on the input."""
        given = self.operation.arguments[name]
        known = self.map_of(given)
        return known if known is not None else blind_map(self.shape_of(given), self.any_map())

    def argument(self, name: str, default: Any = None) -> Any:
        """Return an argument that is no tensor."""
        given = self.operation.arguments.get(name)
        return default if given is None else given

    def shape_of(self, reference: Any) -> tuple[int, ...]:
        """Return the shape of a tensor argument."""
        if isinstance(reference, ValueRef):
            return self.trace.values[reference.id].shape
        if isinstance(reference, (WeightRef, ConstantRef)):
            return reference.shape
        return ()

    def any_map(self) -> FieldMap:
        """Return the map of the first input that has one."""
        return next(one for value in self.operation.inputs if (one := self.maps[value]) is not None)

    def first(self) -> FieldMap:
        """Return the map of the first input."""
        return self.any_map()

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the first output."""
        return self.trace.values[self.operation.outputs[0]].shape

    @property
    def out_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of all outputs."""
        return [self.trace.values[value].shape for value in self.operation.outputs]

    def dims(self, name: str, rank: int) -> list[int]:
        """Return an argument with dimensions as a list of places; all of them where it is empty."""
        given = self.operation.arguments.get(name)
        if given is None or (isinstance(given, (list, tuple)) and not given):
            return list(range(rank))
        many = given if isinstance(given, (list, tuple)) else (given,)
        return [dim % rank for dim in many] if rank else []

    def note(self, text: str) -> None:
        """Remark something on this operation, with the path of its module, once."""
        path = self.trace.calls[self.operation.caller].path or "the network's own forward"
        remark = f"{path} ({self.operation.kind}): {text}"
        if remark not in self.notes:
            self.notes.append(remark)


Rule = Callable[[Step], Outcome]
