"""What stands between the last layer and the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hubel.analysis.lint.kinds import (
    ACTIVATIONS,
    LOG_SOFTMAXES,
    REARRANGEMENTS,
    SCALINGS,
    SOFTMAXES,
)
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import count
from hubel.tracing.trace import Operation

LOGIT_LOSSES: Final = frozenset({"cross-entropy", "bce", "focal"})
"""Losses of `hubel train --loss` that apply softmax or sigmoid themselves."""
_LINKS: Final = REARRANGEMENTS | SCALINGS


def _last(subject: Subject) -> Iterator[Operation]:
    """Give the operation that makes each output, reshaping apart, where outputs are logits."""
    graph = subject.graph
    if not subject.answers or subject.loss not in LOGIT_LOSSES:
        return
    for value in subject.trace.outputs:
        maker = graph.maker(graph.unfolded(value))
        if maker is not None:
            yield maker


def _softmax_before_loss(subject: Subject) -> Iterator[Hit]:
    for operation in _last(subject):
        where = subject.graph.name(operation)
        if operation.kind in SOFTMAXES:
            yield Hit(
                what=f"The network ends with a softmax, and the loss ({subject.loss}) applies its "
                "own to what comes out.",
                where=(where,),
                evidence="last operation: softmax; the loss then sees values between 0 and 1 "
                "only, and its gradient almost vanishes",
            )
        elif operation.kind in LOG_SOFTMAXES:
            yield Hit(
                what=f"The network ends with a log-softmax, and the loss ({subject.loss}) applies "
                "it again.",
                where=(where,),
                evidence="last operation: log-softmax; a second one changes nothing, it costs time",
                severity="note",
            )


def _activation_before_loss(subject: Subject) -> Iterator[Hit]:
    for operation in _last(subject):
        if operation.kind not in ACTIVATIONS or subject.trace.operations[0] is operation:
            continue
        outputs = subject.trace.values[operation.outputs[0]].shape[-1]
        single = outputs == 1 and operation.kind == "sigmoid"
        yield Hit(
            what=f"The network's outputs pass a {operation.kind} before the loss "
            f"({subject.loss}), which takes them as they leave the last layer.",
            where=(subject.graph.name(operation),),
            evidence=f"last operation: {operation.kind} on {count(outputs, 'output')}",
            # One output with a sigmoid fits a plain binary cross-entropy, which some use.
            severity="warning" if single else None,
        )


def _two_softmaxes(subject: Subject) -> Iterator[Hit]:
    graph = subject.graph
    kinds = SOFTMAXES | LOG_SOFTMAXES
    for operation in subject.trace.operations:
        if operation.kind not in kinds or operation.id not in graph.live:
            continue
        maker = graph.maker(operation.inputs[0])
        while maker is not None and maker.kind in _LINKS and len(maker.inputs) == 1:
            maker = graph.maker(maker.inputs[0])
        if maker is not None and maker.kind in kinds:
            yield Hit(
                what="A softmax is applied to the result of another softmax.",
                where=(graph.name(maker), graph.name(operation)),
                evidence=f"{maker.kind.strip('_')} and then {operation.kind.strip('_')}, with no "
                "layer in between",
            )


RULES: Final = (
    Rule(
        id="check/softmax-before-loss",
        severity="error",
        meaning="The network ends with a softmax that its loss applies too: training goes on, "
        "slowly and to a worse end. A log-softmax there is harmless, and a note.",
        remedy="Return the logits of the last layer; take the softmax where probabilities are "
        "shown.",
        source="hubel",
        find=_softmax_before_loss,
    ),
    Rule(
        id="check/activation-before-loss",
        severity="error",
        meaning="The logits pass an activation: a class cannot be told to be unlikely any more. A "
        "single output with a sigmoid is a warning.",
        remedy="Remove the activation after the last layer; the loss applies what it needs.",
        source="hubel",
        find=_activation_before_loss,
    ),
    Rule(
        id="check/two-softmaxes",
        severity="error",
        meaning="A softmax is applied to the result of another one: it flattens all differences.",
        remedy="Remove the first of the two.",
        source="hubel",
        find=_two_softmaxes,
    ),
)
