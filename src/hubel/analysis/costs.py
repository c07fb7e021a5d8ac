"""What every operation of a trace costs: multiply-accumulates, FLOPs, connections."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.analysis.cost_rules import COST_RULES
from hubel.analysis.sizes import Sizes
from hubel.tracing import Trace


@dataclass(frozen=True, slots=True)
class Cost:
    """What one operation costs."""

    macs: int = 0
    """Multiply-accumulates of convolutions and matrix products."""
    flops: int = 0
    """All arithmetic, two a MAC."""
    connections: int = 0
    """Pairs of an input and an output unit that a weight of a product joins, biases included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the operations of a trace cost, at its batch size."""

    operations: tuple[Cost | None, ...]
    """One for each operation; None where there is no rule."""
    not_analysed: tuple[str, ...]
    """Operators without a rule, each once, in the order in which they run."""


def operation_costs(trace: Trace) -> Costs:
    """Return what every operation costs, by the table COST_RULES.

    Conventions: see `hubel.analysis.cost_rules`.
    """
    costs: list[Cost | None] = []
    unknown: dict[str, None] = {}
    for operation in trace.operations:
        rule = COST_RULES.get(operation.kind)
        if rule is None:
            unknown[operation.operator] = None
            costs.append(None)
            continue
        sizes = Sizes(trace, operation)
        macs = rule.macs(sizes)
        costs.append(Cost(macs, 2 * macs + rule.flops(sizes), rule.connections(sizes)))
    return Costs(operations=tuple(costs), not_analysed=tuple(unknown))
