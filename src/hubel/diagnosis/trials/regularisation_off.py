"""Whether regularisation holds a training back: the same steps with and without it."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.bench import (
    Clock,
    apart,
    new_network,
    outputs_of,
    ready,
    set_still,
    updates,
)
from hubel.diagnosis.trials.marks import left_over, right, share_error
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 384
STEPS: Final = 240


def regularisation_off(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train with the training's own optimizer, with dropout and weight decay and without.

    From fresh weights, and where that shows nothing from those of now: 240 updates of 32 of 384
    training pictures. The score is that of the same pictures afterwards, dropout off and batches'
    own statistics. Measured: with_accuracy, without_accuracy (R² for numbers), standard_error of
    the difference, fresh (1 where seen from fresh weights), augmented. Healthy where the score
    without is not clearly above that with. Bound: 960 updates of 32. Source: srivastava2014dropout.
    """
    with apart():
        samples = subject.samples("train", PICTURES)
        if samples is None or len(samples) < 32:
            return Unknown(why="there are no 32 training pictures to learn from")
        clock = Clock.of()
        data = ready(samples, subject.network())
        starts = (True, False) if subject.fresh() is not None else (False,)
        best = (0.0, 0.0, 1.0, 0.0)
        for fresh in starts:
            held = _score(setting, subject, data, fresh=fresh, off=False, clock=clock)
            freed = _score(setting, subject, data, fresh=fresh, off=True, clock=clock)
            error = math.hypot(share_error(held, len(samples)), share_error(freed, len(samples)))
            if fresh == starts[0] or freed - held > best[1] - best[0]:
                best = held, freed, error, float(fresh)
            if _clear(*best[:3]):
                break
    held, freed, error, at_start = best
    return Trial(
        name="regularisation-off",
        healthy=not _clear(held, freed, error),
        evidence=f"after {STEPS} updates {held:.1%} of the training pictures right with dropout "
        f"and weight decay, {freed:.1%} without",
        measured={
            "with_accuracy": held,
            "without_accuracy": freed,
            "standard_error": error,
            "fresh": at_start,
            "augmented": float(samples.augmented),
        },
    )


def _clear(held: float, freed: float, error: float) -> bool:
    gain = freed - held
    return gain > max(threshold("fit/over-regularised.gain"), 3 * error)


def _score(
    setting: Setting,
    subject: Subject,
    data: tuple[Tensor, Tensor],
    *,
    fresh: bool,
    off: bool,
    clock: Clock,
) -> float:
    network = new_network(subject) if fresh else subject.network()
    optimizer = subject.optimizer(network)
    if off:
        set_still(network, setting)
        for group in optimizer.param_groups:
            if "weight_decay" in group:
                group["weight_decay"] = 0.0
    else:
        _set_as_trained(network, setting)
    for _ in updates(
        setting, subject, network, optimizer, data, steps=STEPS, clock=clock, own=True
    ):
        pass
    with torch.no_grad():
        outputs = outputs_of(set_still(network, setting), data[0], clock)
    marks = right(setting, outputs, data[1])
    if marks is not None:
        return float(marks.mean())
    left = left_over(outputs, data[1])
    return 0.0 if left is None else max(1 - float(left.mean()), 0.0)


def _set_as_trained(network: nn.Module, setting: Setting) -> None:
    """Training mode, but where the training itself held a layer in evaluation mode."""
    modes = {fact.path: fact.training for fact in setting.modules}
    network.train()
    if any(modes.values()):
        for path, module in network.named_modules():
            if not modes.get(path, True):
                module.training = False
