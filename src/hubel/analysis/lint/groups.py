"""Channel groups that never meet: how far a network falls apart into independent ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hubel.analysis.lint.kinds import (
    ACTIVATIONS,
    BATCH_NORMS,
    GLOBAL_AVERAGES,
    LOG_SOFTMAXES,
    PADS,
    POOLS,
    RESHAPES,
    SCALINGS,
    SOFTMAXES,
)
from hubel.analysis.lint.rule import Hit, Subject
from hubel.tracing.trace import Operation

_KEEPS: Final = (
    ACTIVATIONS
    | BATCH_NORMS
    | POOLS
    | GLOBAL_AVERAGES
    | PADS
    | SCALINGS
    | SOFTMAXES
    | LOG_SOFTMAXES
    | RESHAPES
)
"""What works on each channel alone. Reshaping belongs here as long as the axis of the channels
stays; anything else is taken to mix."""


@dataclass(frozen=True, slots=True)
class _Parted:
    """A value whose channels fall into equal blocks that have not met since `layers` began."""

    blocks: int
    layers: tuple[int, ...]
    """Grouped convolutions since the last mixing, as operations."""


_MIXED: Final = _Parted(1, ())


def unmixed_groups(subject: Subject) -> Iterator[Hit]:
    """Find grouped convolutions, two or more in a row, whose groups meet nowhere up to the output.

    A single grouped convolution at the end is no fault: what it reads is mixed.
    """
    graph, trace = subject.graph, subject.trace
    parted: dict[int, _Parted] = dict.fromkeys(trace.inputs, _MIXED)
    for operation in trace.operations:
        if operation.id not in graph.live:
            continue
        after = _after(subject, operation, [parted[value] for value in operation.inputs])
        for value in operation.outputs:
            parted[value] = after
    for value in trace.outputs:
        end = parted[value]
        if end.blocks > 1 and len(end.layers) > 1:
            layers = [trace.operations[place] for place in end.layers]
            yield Hit(
                what=f"The last {len(layers)} convolutions keep {end.blocks} groups of channels "
                "apart up to the output.",
                where=tuple(dict.fromkeys(graph.name(layer) for layer in layers)),
                evidence=f"each output depends on 1/{end.blocks} of the channels that "
                f"{graph.name(layers[0])} reads",
            )
            return


def _after(subject: Subject, operation: Operation, before: Sequence[_Parted]) -> _Parted:
    """Return how the channels are parted after an operation."""
    layer = subject.graph.by_operation.get(operation.id)
    if layer is not None:
        (state,) = before
        if layer.groups == 1:
            return _MIXED
        # Blocks of both partitions stay apart only where their borders coincide.
        blocks = math.gcd(state.blocks, layer.groups) if state.layers else layer.groups
        return _Parted(blocks, (*state.layers, operation.id)) if blocks > 1 else _MIXED
    if operation.kind not in _KEEPS or not before or not _keeps_axis(subject, operation):
        return _MIXED
    blocks = math.gcd(*(state.blocks for state in before))
    if blocks == 1:
        return _MIXED
    return _Parted(blocks, tuple(sorted({place for state in before for place in state.layers})))


def _keeps_axis(subject: Subject, operation: Operation) -> bool:
    """Return whether the axis of the channels has the same length before and after."""
    values = subject.trace.values
    first, result = values[operation.inputs[0]].shape, values[operation.outputs[0]].shape
    return len(first) > 1 and len(result) > 1 and first[1] == result[1]
