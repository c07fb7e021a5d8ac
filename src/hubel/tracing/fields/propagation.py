"""From a trace to the receptive fields of all its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hubel.tracing.fields.field_map import FieldMap, blind_map, picture_map
from hubel.tracing.fields.rules import ELEMENT_BY_ELEMENT, FIELD_RULES
from hubel.tracing.fields.step import Step
from hubel.tracing.trace import Operation, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """What every value of a network sees of the picture."""

    maps: tuple[FieldMap | None, ...]
    """By value; None where it was not analysed."""
    not_analysed: tuple[str, ...]
    """Operations without a rule, by name, in order of execution."""
    notes: tuple[str, ...]
    """Branches that join out of line, and answers that are upper bounds."""


@dataclass(slots=True)
class _State:
    """What is known while operations are gone through in order."""

    maps: list[FieldMap | None]
    missing: dict[int, str] = field(default_factory=dict)
    """For a value without a map, the operation to blame."""
    not_analysed: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def propagate(trace: Trace) -> Propagation:
    """Follow the fields of a network from its first input through every operation."""
    state = _State([None] * len(trace.values))
    picture = picture_map(trace.values[trace.inputs[0]].shape)
    state.maps[trace.inputs[0]] = picture
    for value in trace.inputs[1:]:
        state.maps[value] = blind_map(trace.values[value].shape, picture)
        state.notes.append("The network has several inputs; fields are those in the first one.")
    for operation in trace.operations:
        _follow(operation, trace, state)
    return Propagation(
        maps=tuple(state.maps),
        not_analysed=tuple(state.not_analysed),
        notes=tuple(dict.fromkeys(state.notes)),
    )


def _follow(operation: Operation, trace: Trace, state: _State) -> None:
    """Give the outputs of one operation their maps, or note why they have none."""
    if not operation.outputs:  # A number for Python.
        return
    for value in operation.inputs:
        if state.maps[value] is None:
            blamed = state.missing.get(value, operation.kind)
            state.not_analysed[blamed] = None
            state.missing.update(dict.fromkeys(operation.outputs, blamed))
            return
    rule = FIELD_RULES.get(operation.kind)
    if rule is None:
        state.not_analysed[operation.kind] = None
        state.missing.update(dict.fromkeys(operation.outputs, operation.kind))
        return
    step = Step(operation=operation, trace=trace, maps=state.maps, notes=state.notes)
    made = rule(step)
    results: Sequence[FieldMap | None] = [made] if isinstance(made, FieldMap) else made
    for place, value in enumerate(operation.outputs):
        if operation.in_place and place > 0:
            result = _other_view(operation, value, trace, state)
        else:
            result = results[place] if place < len(results) else None
        if result is None or result.shape != trace.values[value].shape:
            state.missing[value] = operation.kind
        else:
            state.maps[value] = result


def _other_view(operation: Operation, value: int, trace: Trace, state: _State) -> FieldMap | None:
    """Return the map of another view of memory that an operation wrote, where it is sure.

    An activation in place changes no field, and what sees nothing may stand anywhere.
    """
    shape = trace.values[value].shape
    known = [state.maps[one] for one in operation.inputs]
    if operation.kind in ELEMENT_BY_ELEMENT:
        return next((one for one in known if one is not None and one.shape == shape), None)
    like = next(one for one in known if one is not None)
    if all(one is not None and _blind(one) for one in known):
        return blind_map(shape, like)
    return None


def _blind(fields: FieldMap) -> bool:
    """Return whether a tensor shows nothing of the picture."""
    return all(axis.is_blind for axis in fields.axes)
