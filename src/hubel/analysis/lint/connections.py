"""What is joined to what: dead branches, unused weights, groups, modules that are shared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hubel.analysis.lint.graph import Graph
from hubel.analysis.lint.groups import unmixed_groups
from hubel.analysis.lint.kinds import REARRANGEMENTS
from hubel.analysis.lint.layers import layer_of
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import count, some
from hubel.tracing.trace import Weight


def _dead_branch(subject: Subject) -> Iterator[Hit]:
    graph, trace = subject.graph, subject.trace
    dead = [
        operation
        for operation in trace.operations
        if operation.id not in graph.live
        and operation.kind not in REARRANGEMENTS
        and any(graph.elements(value) for value in operation.outputs)
    ]
    if not dead:
        return
    weighted = [operation for operation in dead if operation.weights]
    macs = sum(layer.macs for o in dead if (layer := layer_of(trace, o)) is not None)
    yield Hit(
        what=f"{count(len(dead), 'operation computes', 'operations compute')} what no output "
        "depends on.",
        where=tuple(dict.fromkeys(graph.name(operation) for operation in dead)),
        evidence=f"{count(len(weighted), 'operation')} with weights, {macs:,} multiply-accumulates "
        "a picture for nothing",
        severity=None if weighted else "note",
    )


def _unread(graph: Graph) -> set[int]:
    """Return the parameters that no operation of an output reads."""
    trace = graph.trace
    read = {weight for place in graph.live for weight in trace.operations[place].weights}
    return {weight.id for weight in trace.weights if not weight.buffer} - read


def _unused(subject: Subject) -> tuple[list[Weight], list[Weight]]:
    """Return the parameters that are used never, and those that are used in training only."""
    trace = subject.trace
    unread = _unread(subject.graph)
    in_training: set[int] = set()
    if unread and subject.training is not None:
        in_training = unread - _unread(subject.training)
    never = [trace.weights[place] for place in sorted(unread - in_training)]
    return never, [trace.weights[place] for place in sorted(in_training)]


def _unused_parameters(subject: Subject) -> Iterator[Hit]:
    weights, _ = _unused(subject)
    if weights:
        numbers = sum(_numel(weight) for weight in weights)
        yield Hit(
            what=f"{count(len(weights), 'parameter is', 'parameters are')} held by the network, "
            "but no output depends on them.",
            where=tuple(weight.names[0] for weight in weights),
            evidence=f"{numbers:,} numbers: "
            + some([f"{w.names[0]} {'×'.join(map(str, w.shape))}" for w in weights]),
        )


def _auxiliary_head(subject: Subject) -> Iterator[Hit]:
    _, weights = _unused(subject)
    if weights:
        modules = tuple(dict.fromkeys(weight.names[0].partition(".")[0] for weight in weights))
        yield Hit(
            what=f"{count(len(modules), 'part works', 'parts work')} in training only, as "
            "auxiliary heads do.",
            where=modules,
            evidence=f"{sum(map(_numel, weights)):,} parameters that no answer depends on; they "
            "count among the parameters and not among the multiply-accumulates",
        )


def _numel(weight: Weight) -> int:
    number = 1
    for side in weight.shape:
        number *= side
    return number


def _shared_module(subject: Subject) -> Iterator[Hit]:
    graph, trace = subject.graph, subject.trace
    users: dict[int, set[int]] = {}
    for operation in trace.operations:
        if operation.id in graph.live:
            for weight in operation.weights:
                if not trace.weights[weight].buffer:
                    users.setdefault(weight, set()).add(operation.caller)
    shared = [trace.weights[w] for w, callers in sorted(users.items()) if len(callers) > 1]
    tied = [w for w in trace.weights if len(w.names) > 1 and not w.buffer and w not in shared]
    found = shared + tied
    if found:
        most = max(len(users.get(weight.id, ())) for weight in found)
        yield Hit(
            what=f"{count(len(found), 'parameter is', 'parameters are')} used in more than one "
            "place.",
            where=tuple(dict.fromkeys(name for weight in found for name in weight.names)),
            evidence=f"up to {most} calls with the same weights; they are counted once",
        )


RULES: Final = (
    Rule(
        id="check/dead-branch",
        severity="error",
        meaning="Values are computed on which no output depends. Without weights in them it is a "
        "note.",
        remedy="Use the result (was a branch left out of a sum or concatenation?), or remove the "
        "branch.",
        source="hubel",
        find=_dead_branch,
    ),
    Rule(
        id="check/unused-parameters",
        severity="error",
        meaning="Parameters on which no output depends, neither in evaluation nor in training: "
        "they are never trained, and distributed training stops at them.",
        remedy="Call the module in forward, or remove it.",
        source="hubel",
        find=_unused_parameters,
    ),
    Rule(
        id="check/unmixed-groups",
        severity="error",
        meaning="Grouped convolutions follow one another up to the output, and nothing mixes their "
        "groups: the network falls apart into smaller ones that do not know of each other.",
        remedy="Put a 1×1 convolution without groups or a channel shuffle between grouped "
        "convolutions.",
        source="zhang2018shufflenet",
        find=unmixed_groups,
    ),
    Rule(
        id="check/auxiliary-head",
        severity="note",
        meaning="Parts of the network run in training only.",
        remedy="Nothing to do: the answers do not need them. Leave them out when the network is "
        "only used.",
        source="szegedy2015going",
        find=_auxiliary_head,
    ),
    Rule(
        id="check/shared-module",
        severity="note",
        meaning="A module with weights is called several times, or weights have several names.",
        remedy="Fine where it is meant; where it is not, make a module for each place. Batch "
        "normalisation above all should not be shared.",
        source="hubel",
        find=_shared_module,
    ),
)
