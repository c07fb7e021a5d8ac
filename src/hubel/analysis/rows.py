"""The table of layers and its sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hubel.analysis.cost_rules import COST_RULES, FREE, nothing
from hubel.analysis.costs import Costs
from hubel.analysis.details import details
from hubel.analysis.memory import inference_peak, storage_bytes, training_peak
from hubel.results import CheckTotal, Field, LayerRow
from hubel.tracing import ModuleCall, Trace, Value

Fields = Mapping[int, Field | None]
"""Receptive field by value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A row's share of a trace: the call of a leaf, or bare operations between two calls."""

    path: str
    call: int
    kind: str
    depth: int
    module: ModuleCall
    operations: range
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    leaf: bool


def parts(trace: Trace) -> tuple[Part, ...]:
    """Return the parts of a trace in the order in which they run; every operation is in one.

    A leaf is a call that calls no other module with data. What a module computes itself between the
    calls of others is a part of its own, named after the operations (`add`, `cat, relu`), with at
    most one convolution or matrix product in it.
    """
    children: dict[int, list[ModuleCall]] = {}
    for call in trace.calls:
        if call.parent is not None and _has_data(call):
            children.setdefault(call.parent, []).append(call)
    needed = _read_outside(trace)
    products = [COST_RULES.get(one.kind, FREE).macs is not nothing for one in trace.operations]
    found: list[Part] = []

    def visit(call: ModuleCall) -> None:
        inner = children.get(call.id, [])
        if not inner and (call.parent is not None or sum(products) == 1):
            found.append(_leaf(call))
            return
        start = call.operations[0]
        for child in inner:
            bare(call, range(start, child.operations[0]))
            visit(child)
            start = child.operations[1]
        bare(call, range(start, call.operations[1]))

    def bare(call: ModuleCall, operations: range) -> None:
        start, filled = operations.start, False
        for place in operations:
            if products[place] and filled:
                found.append(_bare(trace, call, range(start, place), needed))
                start = place
            filled = filled or products[place]
        if start < operations.stop:
            found.append(_bare(trace, call, range(start, operations.stop), needed))

    visit(trace.calls[0])
    return tuple(found)


def row_parts(trace: Trace) -> tuple[Part, ...]:
    """Return the parts that have a row in the table: all but those that only change the view."""
    return tuple(part for part in parts(trace) if part.leaf or not _only_views(trace, part))


def layer_rows(trace: Trace, costs: Costs, fields: Fields | None = None) -> tuple[LayerRow, ...]:
    """Return a row for each call of a leaf module and for each group of bare operations.

    Groups that only look at memory in another way (view, permute…) have no row: they cost nothing.
    Parameters stand at the first row that owns or reads them, so that the column adds up to what
    the rows hold; weights that nothing reads are only in the total.
    """
    counted: set[int] = set()
    storages, inside = storage_bytes(trace), _weights_inside(trace)
    rows = [
        _row(trace, costs, fields or {}, part, counted, storages, inside)
        for part in row_parts(trace)
    ]
    macs = sum(row.macs for row in rows)
    return tuple(replace(row, share=row.macs / macs if macs else 0.0) for row in rows)


def total(trace: Trace, costs: Costs, rows: Sequence[LayerRow]) -> CheckTotal:
    """Return the sums over a network at the batch size of its trace.

    Costs are those of every operation; connections, neurons and activation bytes are those of the
    rows: a neuron is a unit of a row with connections. Shared weights count once.
    """
    parameters = [weight for weight in trace.weights if not weight.buffer]
    sizes = {weight.id: math.prod(weight.shape) for weight in trace.weights}
    known = [cost for cost in costs.operations if cost is not None]

    def elements(kept: Callable[[int], bool]) -> int:
        return sum(sizes[weight.id] for weight in parameters if kept(weight.id))

    return CheckTotal(
        params=elements(lambda _: True),
        trainable_params=elements(lambda place: trace.weights[place].trainable),
        frozen_params=elements(lambda place: not trace.weights[place].trainable),
        shared_params=elements(lambda place: len(trace.weights[place].names) > 1),
        buffers=sum(sizes[weight.id] for weight in trace.weights if weight.buffer),
        connections=sum(row.connections for row in rows),
        neurons=sum(row.neurons for row in rows if row.connections),
        macs=sum(cost.macs for cost in known),
        flops=sum(cost.flops for cost in known),
        weight_bytes=sum(sizes[weight.id] * weight.bytes_each for weight in trace.weights),
        activation_bytes=sum(row.activation_bytes for row in rows),
        inference_peak_bytes=inference_peak(trace),
        training_peak_bytes=training_peak(trace),
    )


def _leaf(call: ModuleCall) -> Part:
    return Part(
        path=call.path,
        call=call.call,
        kind=call.kind,
        depth=call.depth,
        module=call,
        operations=range(*call.operations),
        inputs=call.inputs,
        outputs=call.outputs,
        leaf=True,
    )


def _bare(trace: Trace, call: ModuleCall, operations: range, needed: Sequence[int]) -> Part:
    """Return the part of some of a module's own operations."""
    inside = [trace.operations[place] for place in operations]
    made = {value for operation in inside for value in operation.outputs}
    read = dict.fromkeys(value for operation in inside for value in operation.inputs)
    return Part(
        path=call.path,
        call=call.call,
        kind=", ".join(dict.fromkeys(operation.kind for operation in inside)),
        depth=call.depth + 1,
        module=call,
        operations=operations,
        inputs=tuple(value for value in read if value not in made),
        outputs=tuple(value for value in sorted(made) if needed[value] >= operations.stop),
        leaf=False,
    )


def _has_data(call: ModuleCall) -> bool:
    """Return whether a call handles data, not only weights (as a parametrisation does)."""
    return bool(call.inputs or call.outputs or call.operations[0] < call.operations[1])


def _read_outside(trace: Trace) -> list[int]:
    """Return for each value the last operation that reads it; beyond all for outputs."""
    last = [-1] * len(trace.values)
    for operation in trace.operations:
        for value in operation.inputs:
            last[value] = operation.id
    for value in trace.outputs:
        last[value] = len(trace.operations)
    return last


def _only_views(trace: Trace, part: Part) -> bool:
    """Return whether a part does nothing but look at memory in another way."""
    rules = (COST_RULES.get(trace.operations[place].kind) for place in part.operations)
    return all(rule is not None and rule.views for rule in rules)


def _row(
    trace: Trace,
    costs: Costs,
    fields: Fields,
    part: Part,
    counted: set[int],
    storages: Mapping[int, int],
    inside: Mapping[str, Sequence[int]],
) -> LayerRow:
    """Return the row of one part; `counted` are the weights of the rows before."""
    read = [place for at in part.operations for place in trace.operations[at].weights]
    whole = [*read, *inside.get(part.path, ())] if part.leaf else read
    owned = [place for place in dict.fromkeys(whole) if place not in counted]
    counted.update(owned)
    held = [trace.weights[place] for place in owned]
    parameters = [(weight, math.prod(weight.shape)) for weight in held if not weight.buffer]
    known = [cost for cost in (costs.operations[place] for place in part.operations) if cost]
    outputs = [trace.values[value] for value in dict.fromkeys(part.outputs)]
    return LayerRow(
        path=part.path,
        call=part.call,
        kind=part.kind,
        details=_details(trace, part),
        depth=part.depth,
        input_shape=trace.values[part.inputs[0]].shape if part.inputs else (),
        output_shape=outputs[0].shape if outputs else (),
        params=sum(elements for _, elements in parameters),
        trainable_params=sum(elements for weight, elements in parameters if weight.trainable),
        connections=sum(cost.connections for cost in known),
        neurons=sum(math.prod(value.shape) for value in outputs),
        macs=sum(cost.macs for cost in known),
        flops=sum(cost.flops for cost in known),
        weight_bytes=sum(math.prod(weight.shape) * weight.bytes_each for weight in held),
        activation_bytes=_new_bytes(trace, part, outputs, storages),
        share=0.0,
        receptive_field=fields.get(outputs[0].id) if outputs else None,
    )


def _details(trace: Trace, part: Part) -> str:
    """Return the details of the part's first operation that has any."""
    # A module that makes (batch, channels, length) works along one axis.
    flat = part.outputs and len(trace.values[part.outputs[0]].shape) == 3
    axes = 1 if flat else 3
    found = (details(trace.operations[place], axes) for place in part.operations)
    return next(filter(None, found), "")


def _weights_inside(trace: Trace) -> dict[str, list[int]]:
    """Return the weights that each module holds, in it and in its inner modules, by its path."""
    inside: dict[str, list[int]] = {}
    for weight in trace.weights:
        for name in weight.names:
            path = name
            while path:
                path = path.rpartition(".")[0]
                inside.setdefault(path, []).append(weight.id)
    return inside


def _new_bytes(
    trace: Trace, part: Part, outputs: Sequence[Value], storages: Mapping[int, int]
) -> int:
    """Return the bytes of outputs, each memory once, without what the part was given."""
    given = {trace.values[value].storage for value in part.inputs}
    shares: dict[int, int] = {}
    for value in outputs:
        if value.storage not in given:
            elements = math.prod(value.shape) * value.bytes_each
            shares[value.storage] = shares.get(value.storage, 0) + elements
    return sum(min(share, storages[storage]) for storage, share in shares.items())
