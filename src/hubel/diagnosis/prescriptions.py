"""What to do about each cause: options of `hubel train` where options can, else words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.knobs import Knobs
from hubel.diagnosis.remedies import REMEDIES
from hubel.results import Finding, Prescription

BY_HAND_TOO: Final = frozenset({"labels/noise", "data/too-few", "data/non-finite"})
"""Where options ease what only work on the data cures."""
_PHRASES: Final[Mapping[str, str]] = {
    "lr": "set the learning rate to {}",
    "warmup": "let the learning rate rise over the first {} of the steps",
    "schedule": "take the learning-rate schedule {}",
    "step_factor": "multiply the rate by {} at each milestone",
    "momentum": "set the momentum to {}",
    "optimizer": "take the optimizer {}",
    "weight_decay": "set the weight decay to {}",
    "l1": "set the L1 regularisation to {}",
    "dropout": "set the dropout to {}",
    "label_smoothing": "set the label smoothing to {}",
    "clip": "clip the gradient to the norm {}",
    "epochs": "train for {} passes",
    "budget": "train for {}",
    "batch": "take {} pictures a step",
    "augment": "set the augmentation to {}",
    "augment_strength": "set the strength of the augmentation to {}",
    "balance": "balance the classes by {}",
    "ema": "set the decay of the weights' running average to {}",
    "precision": "compute in {}",
    "loss": "take the loss {}",
    "size": "give the network pictures of {} pixels a side",
    "normalise": "scale the pictures by {}",
    "model": "take the network {}",
    "model_arguments": "build the network with {}",
    "non_finite": "on numbers that are not finite, {}",
    "freeze_epochs": "freeze the body for {} passes",
    "cache": "set the cache of decoded pictures to {}",
}
"""What an option does, in words that hold for any training."""


def prescribe(case: Case, causes: Sequence[Finding]) -> tuple[Prescription, ...]:
    """Return a prescription for each cause, in their order.

    Options are those of `hubel train`; for another loop the same change stands in words. Nothing
    is prescribed that is set already.
    """
    knobs = Knobs(case)
    return tuple(_prescribed(knobs, cause) for cause in causes)


def _prescribed(knobs: Knobs, cause: Finding) -> Prescription:
    asked = REMEDIES[cause.id](knobs) if cause.id in REMEDIES else {}
    changes = {name: value for name, value in asked.items() if not _is_set(knobs, name, value)}
    if not changes:
        return Prescription(cause=cause.id, what=cause.remedy, code=cause.remedy)
    words = _words(knobs, changes)
    if not knobs.by_hubel:
        return Prescription(cause=cause.id, what=words, code=words)
    return Prescription(
        cause=cause.id,
        what=words,
        options={flag_of(name): value for name, value in changes.items()},
        code=cause.remedy if cause.id in BY_HAND_TOO else "",
    )


def flag_of(name: str) -> str:
    """Return the flag of an option of `hubel train`."""
    return f"--{name.replace('_', '-')}"


def _is_set(knobs: Knobs, name: str, wanted: str) -> bool:
    """Return whether a setting has the wanted value already."""
    now: Any = knobs.value(name)
    if name == "augment" and isinstance(now, list | tuple):
        return [str(one) for one in now] == [wanted]
    number = knobs.number(name)
    if number is None:
        return now is not None and str(now) == wanted
    try:
        return math.isclose(number, float(wanted), rel_tol=0.01, abs_tol=1e-12)
    except ValueError:
        return False


def _words(knobs: Knobs, changes: Mapping[str, str]) -> str:
    """Return the changes as one sentence that says what is set now."""
    parts: list[str] = []
    for name, value in changes.items():
        part = _PHRASES[name].format(value)
        now = knobs.number(name)
        parts.append(part if now is None else f"{part} (now {now:.3g})")
    *first, last = parts
    text = f"{', '.join(first)} and {last}" if first else last
    return f"{text[0].upper()}{text[1:]}."
