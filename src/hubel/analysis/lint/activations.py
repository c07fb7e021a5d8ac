"""Activations: layers without one between them, and long rows of saturating ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hubel.analysis.lint.kinds import BATCH_NORMS, DATA_NORMS, LINEAR, SATURATING, SCALINGS
from hubel.analysis.lint.layers import Layer
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import count, some
from hubel.tracing.trace import Operation

WEIGHT: Final = {"sigmoid": 2, "tanh": 1}
"""The slope of a sigmoid is at most 1/4, that of tanh at most 1."""
LEAST: Final = 8
"""Four sigmoids or eight tanh in a row; LeNet-5 has six tanh."""


def _missing_activation(subject: Subject) -> Iterator[Hit]:
    pairs = [
        (layer, following)
        for layer in subject.graph.layers
        for following in _next_linear(subject, layer)
    ]
    if pairs:
        name = subject.graph.layer_name
        yield Hit(
            what=f"{count(len(pairs), 'pair of layers follows', 'pairs of layers follow')} one "
            "another without an activation in between: together they can do no more than one "
            "layer.",
            where=tuple(dict.fromkeys(name(layer) for layer, _ in pairs)),
            evidence=some([f"{name(first)} → {name(second)}" for first, second in pairs]),
        )


def _next_linear(subject: Subject, layer: Layer) -> list[Layer]:
    """Return the layers that read nothing but linear functions of this one's result.

    Empty where any way from it bends, joins another value, is an output, or cannot be followed;
    and where a pair is meant to be linear.
    """
    graph = subject.graph
    outputs = set(subject.trace.outputs)
    pending, found = [layer.result], list[Layer]()
    while pending:
        value = pending.pop()
        if value in outputs:
            return []
        for operation in graph.reading(value):
            following = graph.by_operation.get(operation.id)
            if following is not None:
                found.append(following)
            elif operation.kind in LINEAR and len(operation.inputs) == 1:
                pending.extend(operation.outputs)
            else:
                return []
    if any(_meant(subject, layer, following) for following in found):
        return []
    return found


def _meant(subject: Subject, first: Layer, second: Layer) -> bool:
    """Return whether a pair is linear by design, because it stands for one larger layer.

    A depthwise convolution with its pointwise one; n×1 with 1×n; a narrow middle, which makes a
    product of low rank; and the linear bottleneck of MobileNet v2, a projection of what a
    depthwise convolution made. Sources: chollet2017xception, jin2015flattened,
    sandler2018inverted.
    """
    if first.depthwise or second.depthwise:
        return True
    if _crossed(first, second):
        return True
    pointwise = not (first.spatial and second.spatial)
    if pointwise and first.outputs < min(first.inputs, second.outputs):
        return True
    return (
        not first.spatial and first.outputs <= second.outputs and _after_depthwise(subject, first)
    )


def _crossed(first: Layer, second: Layer) -> bool:
    """Return whether two kernels are lines along different axes."""
    if not (first.spatial and second.spatial):
        return False
    along = [axis for axis, side in enumerate(first.kernel) if side > 1]
    across = [axis for axis, side in enumerate(second.kernel) if side > 1]
    return len(along) == len(across) == 1 and along != across


def _after_depthwise(subject: Subject, layer: Layer) -> bool:
    """Return whether what a layer reads was made by a depthwise convolution, activation and gate
    apart.
    """
    graph = subject.graph
    pending, seen = [layer.source], set[int]()
    while pending:
        maker = graph.maker(pending.pop())
        if maker is None or maker.id in seen:
            continue
        seen.add(maker.id)
        before = graph.by_operation.get(maker.id)
        if before is None:
            pending.extend(maker.inputs)
        elif before.depthwise:
            return True
    return False


def _saturating(subject: Subject) -> Iterator[Hit]:
    """Follow the longest row of saturating activations since the last normalisation."""
    graph, trace = subject.graph, subject.trace
    rows: dict[int, tuple[Operation, ...]] = dict.fromkeys(trace.inputs, ())
    longest: tuple[Operation, ...] = ()
    for operation in trace.operations:
        before = [rows[value] for value in operation.inputs]
        if operation.kind in BATCH_NORMS or operation.kind in DATA_NORMS:
            row: tuple[Operation, ...] = ()
        elif operation.kind in {"add", "sub"}:
            row = min(before, key=len)  # A sum lets the gradient around the longer way.
        else:
            row = max(before, key=len)
        if operation.kind in SATURATING and not _is_gate(subject, operation):
            row = (*row, operation)
            longest = max(longest, row, key=_weight)
        rows.update(dict.fromkeys(operation.outputs, row))
    if _weight(longest) >= LEAST:
        kinds = sorted({operation.kind for operation in longest})
        yield Hit(
            what=f"{len(longest)} saturating activations follow one another without "
            "normalisation: gradients shrink at each.",
            where=tuple(dict.fromkeys(graph.name(operation) for operation in longest)),
            evidence=f"{len(longest)} times {' or '.join(kinds)} on one way to the output",
        )


def _weight(row: tuple[Operation, ...]) -> int:
    return sum(WEIGHT[operation.kind] for operation in row)


def _is_gate(subject: Subject, operation: Operation) -> bool:
    """Return whether an activation only scales another value, as in squeeze-and-excitation."""
    graph = subject.graph
    pending, gates = list(operation.outputs), False
    while pending:
        for reader in graph.reading(pending.pop()):
            if reader.kind == "mul" and len(reader.inputs) > 1:
                gates = True
            elif reader.kind in SCALINGS and len(reader.inputs) == 1:
                pending.extend(reader.outputs)
            else:
                return False
    return gates


RULES: Final = (
    Rule(
        id="check/missing-activation",
        severity="warning",
        meaning="Two layers with weights follow one another without an activation; batch "
        "normalisation and average pooling in between do not count. Pairs that are linear by "
        "design are left out: depthwise and pointwise, n×1 and 1×n, narrow projections, "
        "residual sums.",
        confidence=0.9,
        remedy="Put an activation between them, or replace both by one layer.",
        source="hubel",
        find=_missing_activation,
    ),
    Rule(
        id="check/saturating-activations",
        severity="warning",
        meaning="Many sigmoids or tanh on one way, without normalisation between them: the "
        "gradient that reaches the first layers vanishes.",
        threshold=f"{LEAST // WEIGHT['sigmoid']} sigmoids or {LEAST} tanh",
        confidence=0.8,
        remedy="Use ReLU or one of its kin, or batch normalisation before each activation.",
        source="glorot2010understanding",
        find=_saturating,
    ),
)
