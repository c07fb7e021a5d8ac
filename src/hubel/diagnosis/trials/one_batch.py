"""Whether a network can fit sixteen pictures: what nothing that works fails at."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.bench import (
    SANE_RATES,
    Clock,
    apart,
    new_network,
    ready,
    sane_optimizer,
    set_still,
    stands_still,
    updates,
)
from hubel.diagnosis.trials.marks import balanced, left_over, right
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 16
STEPS: Final = 300
_FEWEST: Final = 20
"""Updates in which hardly any network fits them."""
CERTAIN: Final = 3
"""Updates in a row without an error, after which it stops."""


def one_batch(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train a fresh copy on 16 pictures, balanced over classes, without dropout or its like.

    With Adam at up to three usual rates, and with the training's own optimizer, up to 300 updates
    each, fewer where the loss stands still. Measured: error_sane and error_own (share of wrong
    answers; 1 − R² for numbers), sane_lr, steps (of the first), own_steps. Bound: 1,200 updates of
    16 pictures, mostly under 100. Source: braiek2022testing.
    """
    with apart() as generator:
        samples = subject.samples("train", 256)
        if samples is None or len(samples) < 2:
            return Unknown(why="there are no training pictures to fit")
        clock = Clock()
        chosen = balanced(setting, samples.targets, PICTURES, generator)
        inputs, targets = ready(samples, new_network(subject))
        chosen = chosen.to(inputs.device)
        data = inputs[chosen], targets[chosen]
        bar = threshold("fit/cannot-fit-batch.error")
        sane, steps, rate = 1.0, 0, SANE_RATES[0]
        for lr in SANE_RATES:
            network = set_still(new_network(subject), setting)
            error, taken = _fitted(
                setting, subject, network, sane_optimizer(network, lr), data, clock=clock
            )
            if error < sane:
                sane, steps, rate = error, taken, lr
            if sane <= bar:
                break
        network = set_still(new_network(subject), setting)
        own, own_steps = _fitted(
            setting, subject, network, subject.optimizer(network), data, own=True, clock=clock
        )
    number = len(data[0])
    return Trial(
        name="one-batch",
        healthy=min(sane, own) <= bar,
        evidence=f"{number} pictures: error {sane:.1%} after {steps} updates by Adam at {rate:g}, "
        f"{own:.1%} after {own_steps} by the training's own optimizer",
        measured={
            "error_sane": sane,
            "error_own": own,
            "steps": steps,
            "own_steps": own_steps,
            "sane_lr": rate,
        },
    )


def _fitted(
    setting: Setting,
    subject: Subject,
    network: nn.Module,
    optimizer: Optimizer,
    data: tuple[Tensor, Tensor],
    *,
    clock: Clock,
    own: bool = False,
) -> tuple[float, int]:
    """Return the mean error of the last updates, and how many updates there were."""
    errors: list[float] = []
    losses: list[float] = []
    course = updates(
        setting,
        subject,
        network,
        optimizer,
        data,
        steps=STEPS,
        clock=clock,
        size=len(data[0]),
        own=own,
        least=_FEWEST,
    )
    enough = 0.0 if _counts(setting, data[1]) else 0.01
    for loss, outputs, chosen in course:
        errors.append(_error(setting, outputs, data[1][chosen]))
        losses.append(loss)
        fitted = len(errors) >= CERTAIN and max(errors[-CERTAIN:]) <= enough
        if fitted or stands_still(losses):
            break
    last = errors[-CERTAIN:]
    return sum(last) / len(last), len(errors)


def _counts(setting: Setting, targets: Tensor) -> bool:
    return right(setting, torch.zeros(len(targets), 2), targets) is not None


def _error(setting: Setting, outputs: Tensor, targets: Tensor) -> float:
    if not bool(outputs.isfinite().all()):
        return 1.0
    marks = right(setting, outputs, targets)
    if marks is not None:
        return 1 - float(marks.mean())
    left = left_over(outputs, targets)
    return 1.0 if left is None else min(float(left.mean()), 1.0)
