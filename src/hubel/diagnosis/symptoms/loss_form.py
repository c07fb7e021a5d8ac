"""The form of the loss: its kind, sign, reduction, shapes, and what stands before it."""

from __future__ import annotations

import math
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import autograd, events
from hubel.diagnosis.evidence.loss_terms import OVER_BATCH
from hubel.diagnosis.evidence.questions import event, is_classification
from hubel.diagnosis.evidence.setting import LossFact, LossKind
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

_NAMES: Final[dict[LossKind, str]] = {
    "cross-entropy": "cross-entropy",
    "nll": "negative log-likelihood",
    "bce": "binary cross-entropy",
    "bce-logits": "binary cross-entropy with logits",
    "mse": "mean squared error",
    "l1": "mean absolute error",
    "smooth-l1": "smooth L1",
    "margin": "margin",
}
_OWN: Final[dict[LossKind, str]] = {
    "cross-entropy": "softmax",
    "bce-logits": "sigmoid",
    "margin": "comparison of raw scores",
}
"""What losses that take raw scores do with them."""
_FLATTENING: Final = frozenset(
    {"softmax", "sigmoid", "tanh", "relu", "relu6", "hardtanh", "hardsigmoid", "softplus"}
)
"""Activations that take a part of all scores away: below 0, or beyond 1."""
_TWO: Final = 2
"""Classes that a binary loss tells apart."""
_UNREAD: Final = "the loss could not be read"
_CLASSES: Final[str] = "Use torch.nn.CrossEntropyLoss on the raw outputs of the last layer."


def _fact(case: Case) -> LossFact | Unknown:
    fact = case.setting.loss
    if fact is None:
        return Unknown(why=_UNREAD)
    if fact.kind == "unknown":
        return Unknown(why=f"the loss is of no known form ({fact.chain[0] if fact.chain else '?'})")
    return fact


def _where(case: Case, activation: str) -> tuple[str, ...]:
    """Return the path of the last module of an activation's kind, where it is a module."""
    wanted = activation.removesuffix(OVER_BATCH).replace("_", "")
    paths = [one.path for one in case.setting.modules if one.kind.lower() == wanted]
    return tuple(paths[-1:])


def _activation_before(case: Case) -> Reading:
    fact = _fact(case)
    if isinstance(fact, Unknown):
        return fact
    if fact.kind not in _OWN:
        return Well(evidence=f"a {_NAMES[fact.kind]} loss takes activations as they come")
    found = [one for one in fact.activations if one in _FLATTENING]
    others = [one for one in fact.activations if one not in {*found, "log_softmax", "clamp"}]
    if not found and not others:
        if fact.chain and autograd.is_opaque(fact.chain[-1]):
            return Unknown(why=f"what stands before the loss is hidden inside of {fact.chain[-1]}")
        twice = "log_softmax" in fact.activations
        return Well(
            evidence="log_softmax before cross-entropy: taken twice it changes nothing"
            if twice
            else f"no activation between the last layer and the {_NAMES[fact.kind]} loss"
        )
    name = (found or others)[0]
    certain = bool(found) and fact.kind != "margin"
    where = _where(case, name)
    place = f" ({where[0]})" if where else ""
    return Sign(
        what=f"The outputs pass a {name}{place} before the {_NAMES[fact.kind]} loss, which applies "
        f"its own {_OWN[fact.kind]} to raw scores.",
        evidence="from the loss down: " + " ← ".join(fact.chain),
        where=where,
        confidence=1.0 if certain else 0.6,
        confirmed=certain or case.harm.suffers,
        severity="warning" if case.harm.known and not case.harm.suffers else None,
        remedy=f"Take the {name}{place} out of the network's forward, and give the loss the raw "
        "outputs of the last layer; apply it where probabilities are shown.",
    )


def _wrong_kind(case: Case) -> Reading:
    fact = _fact(case)
    if isinstance(fact, Unknown):
        return fact
    name = _NAMES[fact.kind]
    shape = fact.outputs_shape
    if fact.kind == "cross-entropy" and len(shape) == 2 and shape[1] == 1:
        return Sign(
            what="The network has one output, and the softmax of one number is always 1: the loss "
            "is 0 and teaches nothing.",
            evidence=f"cross-entropy on outputs of shape {_by(shape)}",
            confidence=1.0,
            confirmed=True,
            remedy="Give the last layer one output a class, or use "
            "torch.nn.BCEWithLogitsLoss for one output.",
        )
    if fact.kind == "nll":
        return _nll(case, fact)
    if not is_classification(case.setting, case.record):
        return Well(evidence=f"{name} loss; the task is no classification")
    if fact.kind in {"cross-entropy", "margin"}:
        return Well(evidence=f"{name} loss for a classification")
    binary = fact.kind in {"bce", "bce-logits"}
    least = min((row.loss for row in case.record.steps if math.isfinite(row.loss)), default=0.0)
    classes = case.setting.classes or 0
    if binary and _one_wide(shape) and classes > _TWO and least < 0 and not fact.negated:
        return _class_numbers(name, classes, least)
    if binary and (len(shape) < 2 or shape[1] <= 2):
        return Well(evidence=f"{name} loss for two classes")
    absolute = fact.kind in {"l1", "smooth-l1"}
    suffers = case.harm.clearly or absolute
    if binary and not suffers:
        return Well(
            evidence=f"{name} loss for one class of many; the training does not clearly suffer"
        )
    return Sign(
        what=f"Classes are learned with a {name} loss, which "
        + (
            "judges each class alone and lets the many wrong ones outweigh the right one."
            if binary
            else "measures distances: its gradient is small where an answer is surely wrong."
        ),
        evidence=f"{name} loss on outputs of shape {_by(shape)} for a classification; "
        f"{case.harm.evidence}",
        confidence=0.6,
        confirmed=suffers,
    )


def _one_wide(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _class_numbers(name: str, classes: int, least: float) -> Sign:
    """Word a binary loss that took class numbers for probabilities: only then is it below 0."""
    return Sign(
        what=f"A {name} loss on one output took the numbers of {classes} classes as targets, where "
        "it expects 0 or 1: it falls without end.",
        evidence=f"one output for {classes} classes; the loss fell to {least:.3g}, and with "
        "targets between 0 and 1 it is never below 0",
        confidence=1.0,
        confirmed=True,
        remedy=f"Give the last layer {classes} outputs. {_CLASSES}",
    )


def _nll(case: Case, fact: LossFact) -> Sign:
    """Word a negative log-likelihood of what is no log-probability."""
    over_batch = any(one.endswith(OVER_BATCH) for one in fact.activations)
    likely = "softmax" in fact.activations
    if over_batch:
        given, remedy = "a log-softmax over the pictures of the batch", "Take it along dim=1."
    elif likely:
        given, remedy = "probabilities", "Replace softmax by log_softmax, or use CrossEntropyLoss."
    else:
        given = "raw outputs"
        remedy = "Use CrossEntropyLoss in place of NLLLoss, or apply log_softmax(dim=1) before it."
    certain = not likely
    return Sign(
        what=f"The negative log-likelihood (NLLLoss) is taken of {given}, where it expects "
        "log-probabilities of each picture's classes"
        + ("." if likely or over_batch else ": the loss falls without end."),
        evidence="from the loss down: " + " ← ".join(fact.chain),
        where=_where(case, fact.activations[0]) if fact.activations else (),
        confidence=1.0 if certain else 0.9,
        confirmed=certain or case.harm.suffers,
        remedy=remedy,
    )


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "unknown"


def _sign(case: Case) -> Reading:
    fact = _fact(case)
    if isinstance(fact, Unknown):
        return fact
    optimizer = case.setting.optimizer
    groups = () if optimizer is None else optimizer.groups
    climbs = bool(groups) and all(group.get("maximize", 0.0) > 0 for group in groups)
    if fact.negated == climbs:
        return Well(evidence=f"the {_NAMES[fact.kind]} loss is made smaller")
    return Sign(
        what=f"The training makes the {_NAMES[fact.kind]} loss larger: "
        + ("its sign is turned around." if fact.negated else "the optimizer maximises it."),
        evidence=("from the loss down: " + " ← ".join(fact.chain))
        if fact.negated
        else f"{optimizer.kind if optimizer else ''} with maximize=True",
        confidence=1.0,
        confirmed=True,
        remedy="Call backward() on the loss itself, without the minus sign."
        if fact.negated
        else "Build the optimizer without maximize=True.",
    )


def _reduction(case: Case) -> Reading:
    fact = case.setting.loss
    if fact is None or fact.reduction == "unknown":
        return Unknown(why=_UNREAD if fact is None else "the reduction of the loss is not known")
    if fact.reduction != "sum":
        few = 0 < fact.scale <= threshold("loss/reduction.scale")
        return _divided(case, fact) if few else Well(evidence=f"reduction {fact.reduction}")
    pictures = fact.targets_shape[0] if fact.targets_shape else case.setting.batch or 0
    optimizer = case.setting.optimizer
    kind = "an unknown optimizer" if optimizer is None else optimizer.kind
    lr = max((group.get("lr", 0.0) for group in optimizer.groups), default=0.0) if optimizer else 0
    broke = event(case.record, events.NON_FINITE_LOSS) is not None
    times = pictures * fact.scale
    trial = None if broke or case.harm.suffers or not _is_long(lr * times) else _range_of(case)
    suffers = broke or case.harm.suffers or trial is not None
    return Sign(
        what=f"The loss is the sum over the batch: gradients are {times:g} times those of the "
        "mean, and grow with the batch.",
        evidence=f"reduction sum over {pictures} pictures; {kind} with learning rate {lr:g}, as "
        f"{lr * times:g} would be with the mean; "
        + ("the loss became non-finite" if broke else trial or case.harm.evidence),
        confidence=0.8 if suffers else 0.3,
        confirmed=suffers,
        severity=None if suffers else "note",
        measured={"times": float(times), "rate": lr * times},
        remedy="Use reduction='mean' in the loss, or divide it by the number of pictures.",
    )


def _is_long(rate: float) -> bool:
    """Return whether a rate, as it would be with the mean, is more than nearly all use."""
    return rate >= threshold("loss/reduction.rate")


def _range_of(case: Case) -> str | None:
    """Return what the range test says, where it finds the rate far above the useful ones."""
    trial = case.trials.make("rate-range")
    if isinstance(trial, Unknown) or trial.healthy:
        return None
    above = trial.measured["current_lr"] > trial.measured["high_edge"]
    return f"range test: {trial.evidence}" if above else None


def _divided(case: Case, fact: LossFact) -> Sign:
    """Word a mean that is divided once more, by more than gradients are accumulated over."""
    optimizer = case.setting.optimizer
    # An optimizer that divides by the gradient's size does not feel it, unless it adds decay to it.
    adapts = optimizer is not None and optimizer.adapts and not optimizer.adds_decay
    suffers = case.harm.suffers and not adapts
    return Sign(
        what=f"The mean of the loss is multiplied by {fact.scale:.2g}: it is divided twice, and "
        "the gradients are that much too small.",
        evidence=f"reduction {fact.reduction}, factor {fact.scale:.2g} after it; "
        f"{case.harm.evidence}",
        confidence=0.9 if suffers else 0.3,
        confirmed=suffers,
        severity=None if suffers else "note",
        measured={"times": fact.scale},
        remedy="Divide the loss by the number of pictures only once: reduction='mean' does it.",
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="loss/activation-before",
        meaning="The outputs pass an activation before a loss that takes raw scores.",
        tier=0,
        statistic="activations between the last layer and the loss, from autograd's graph",
        threshold="one that bounds the scores; others where the training suffers",
        severity="error",
        remedy="Give the loss the raw outputs of the last layer.",
        source="hubel",
        find=_activation_before,
    ),
    Symptom(
        id="loss/wrong-kind",
        meaning="The loss does not fit what is learned.",
        tier=0,
        statistic="kind of the loss, from autograd's graph, beside the task",
        threshold="certain for NLLLoss without log-probabilities and for one output; a distance "
        "that is not squared; else where the training suffers",
        severity="error",
        remedy=_CLASSES,
        source="hubel",
        find=_wrong_kind,
    ),
    Symptom(
        id="loss/sign",
        meaning="The training makes its loss larger.",
        tier=0,
        statistic="sign of the loss in autograd's graph; maximize of the optimizer",
        threshold="turned around once",
        severity="error",
        remedy="Remove the minus sign before the loss.",
        source="hubel",
        find=_sign,
    ),
    Symptom(
        id="loss/reduction",
        meaning="The loss is summed over the batch, so that the learning rate grows with it.",
        tier=0,
        statistic="reduction of the loss, from autograd's graph; pictures times learning rate",
        threshold="sum, where the training suffers or breaks",
        severity="error",
        remedy="Use reduction='mean'.",
        source="hubel",
        find=_reduction,
    ),
)
