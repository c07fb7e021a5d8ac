"""Who reads whom among the rows of the table of layers, for the drawing of the network."""

from __future__ import annotations

from hubel.analysis.rows import row_parts
from hubel.tracing import Trace

INPUT = -1


def edges(trace: Trace) -> tuple[tuple[int, int], ...]:
    """Return pairs of rows where an operation of the second reads a value of the first.

    Rows are counted as `layer_rows` gives them; INPUT stands for the inputs of the network.
    Operations without a row (views) hand on what they read. A row that reads its own values makes
    no pair. Pairs are sorted.
    """
    home: dict[int, int] = {
        operation: place
        for place, part in enumerate(row_parts(trace))
        for operation in part.operations
    }
    made_in: dict[int, frozenset[int]] = {}

    def makers(value: int) -> frozenset[int]:
        operation = trace.values[value].operation
        return frozenset({INPUT}) if operation is None else made_in[operation]

    found: set[tuple[int, int]] = set()
    for operation in trace.operations:
        read = frozenset[int]().union(*map(makers, operation.inputs))
        reader = home.get(operation.id)
        if reader is None:
            made_in[operation.id] = read
        else:
            made_in[operation.id] = frozenset({reader})
            found.update((maker, reader) for maker in read if maker != reader)
    return tuple(sorted(found))
