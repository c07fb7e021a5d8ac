"""Shapes and labels that do not go together: outputs, targets, classes."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.questions import (
    CLASS_LOSSES,
    event,
    is_classification,
    outputs_of,
)
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

_ELEMENTWISE: Final = frozenset({"mse", "l1", "smooth-l1", "bce", "bce-logits"})
IGNORED: Final = -100
"""The label that torch's losses leave out unless told otherwise."""


def _broadcast(case: Case) -> Reading:
    fact = case.setting.loss
    seen = event(case.record, events.BROADCAST)
    if seen is None and (fact is None or fact.kind == "unknown"):
        return Unknown(why="the shapes that met in the loss are not known")
    outputs = () if fact is None else fact.outputs_shape
    targets = () if fact is None else fact.targets_shape
    if seen is None and fact is not None and fact.kind not in _ELEMENTWISE:
        return Well(evidence=f"a {fact.kind} loss takes class numbers")
    if seen is None and not (outputs and targets):
        return Unknown(why="the shapes that met in the loss are not known")
    words = f"outputs {_by(outputs)}, targets {_by(targets)}"
    if seen is None and outputs == targets:
        return Well(evidence=words)
    crossed = len(outputs) != len(targets) and _pictures(outputs) == _pictures(targets) > 1
    certain = crossed or seen is not None
    number = _pictures(outputs)
    return Sign(
        what=f"Outputs and targets have different shapes, and each of {number} outputs is compared "
        f"with all {number} targets: the best answer is their mean."
        if crossed
        else "Outputs and targets have different shapes, and one is spread over the other.",
        evidence=seen or words,
        confidence=1.0 if certain else 0.5,
        confirmed=certain,
        remedy="Give both the same shape: targets.unsqueeze(1) or outputs.squeeze(1)."
        if crossed
        else "",
    )


def _pictures(shape: tuple[int, ...]) -> int:
    """Return n for (n,) and (n, 1), 0 for other shapes."""
    return shape[0] if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1) else 0


def _by(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _labels(case: Case) -> list[int]:
    return [label for row in case.record.batches for label in row.labels if label != IGNORED]


def _outputs_width(case: Case) -> Reading:
    width, labels = outputs_of(case.setting), _labels(case)
    if not is_classification(case.setting, case.record):
        return Well(evidence="the task has no class numbers")
    if width is None or not labels:
        return Unknown(why="the width of the outputs or the labels are not known")
    classes = case.setting.classes or len(set(labels))
    known = case.setting.classes is not None or (
        len(labels) >= threshold("loss/outputs-width.labels") * width
    )
    # A training that goes on renumbers its labels: torch takes none beyond the outputs.
    stopped = not case.record.steps
    measured = {"outputs": float(width), "classes": float(classes)}
    if width > 1 and classes > width:
        return Sign(
            what=f"The network has {width} outputs for {classes} classes.",
            evidence=f"outputs {width}, labels from {min(labels)} to {max(labels)}",
            confidence=1.0 if stopped else 0.5,
            confirmed=stopped or case.harm.suffers,
            measured=measured,
            remedy=f"Give the last layer {classes} outputs.",
        )
    many = width >= threshold("loss/outputs-width.factor") * classes
    if width == 1 or not known or width <= max(classes, max(labels) + 1):
        return Well(evidence=f"{width} outputs for {classes} classes", measured=measured)
    suffers = many and case.harm.suffers
    forgotten = width >= threshold("loss/outputs-width.forgotten") * classes
    return Sign(
        what=f"The network has {width} outputs, and only {classes} classes occur.",
        evidence=f"outputs {width}, labels from {min(labels)} to {max(labels)}",
        confidence=0.85 if forgotten else 0.4,
        confirmed=suffers or forgotten,
        severity=None if suffers else "warning" if forgotten else "note",
        measured=measured,
        remedy=f"Give the last layer {classes} outputs.",
    )


def _out_of_range(case: Case) -> Reading:
    seen = event(case.record, events.LABEL_OUT_OF_RANGE)
    width, labels = outputs_of(case.setting), _labels(case)
    fact = case.setting.loss
    if seen is None and (not labels or width is None):
        return Unknown(why="labels or the width of the outputs are not known")
    picks = fact is not None and fact.kind in CLASS_LOSSES and (width or 0) > 1
    wrong = sorted({one for one in labels if one < 0 or one >= (width or 0)}) if picks else []
    if seen is None and wrong and case.record.steps:
        # Torch refuses such labels: the loop renumbers them, or the loss ignores one of them.
        return Well(evidence=f"labels {wrong[0]} to {wrong[-1]} of the loader never met the loss")
    if seen is None and not wrong:
        return Well(evidence=f"labels from {min(labels)} to {max(labels)}, {width} outputs")
    shown = ", ".join(map(str, wrong[:5]))
    return Sign(
        what="Labels lie outside of the network's outputs"
        + (f": {shown} with outputs 0 to {(width or 1) - 1}." if wrong else "."),
        evidence=seen or f"{sum(one in wrong for one in labels)} of {len(labels)} labels",
        confidence=1.0,
        confirmed=True,
        remedy="Number the classes from 0 on"
        + (
            f", or give the last layer {wrong[-1] + 1} outputs." if wrong and wrong[0] >= 0 else "."
        ),
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="loss/broadcast",
        meaning="Outputs and targets of different shapes meet, and one is spread over the other.",
        tier=0,
        statistic="shapes that meet in the loss, from autograd's graph",
        threshold="(n, 1) against (n,)",
        severity="error",
        remedy="Give outputs and targets the same shape.",
        source="hubel",
        find=_broadcast,
    ),
    Symptom(
        id="loss/outputs-width",
        meaning="The last layer has another width than there are classes.",
        tier=0,
        statistic="outputs of the network, classes of the labels",
        threshold="fewer outputs than classes; or twice as many, where the training suffers; or "
        f"{threshold('loss/outputs-width.forgotten'):g} times as many",
        severity="error",
        remedy="Give the last layer one output for each class.",
        source="hubel",
        find=_outputs_width,
    ),
    Symptom(
        id="labels/out-of-range",
        meaning="Labels are no numbers of the network's outputs.",
        tier=0,
        statistic="labels below 0, or not below the number of outputs",
        threshold="one",
        severity="error",
        remedy="Number the classes from 0 on.",
        source="hubel",
        find=_out_of_range,
    ),
)
