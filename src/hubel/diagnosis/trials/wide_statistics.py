"""Whether small batches spoil what normalisation layers measure, and with it the training."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.bench import (
    Clock,
    answers,
    apart,
    batches,
    keeps_statistics,
    new_network,
    outputs_of,
    ready,
    set_still,
)
from hubel.diagnosis.trials.marks import right, share_error
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 256
STEPS: Final = 240
WIDE: Final = 32
"""Pictures that lend their statistics."""


def wide_statistics(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train with batches of the training's own size, normalised by themselves and by 32 pictures.

    Both sides make 240 updates from fresh weights by the training's own optimizer, with the same
    pictures in the loss; in one, 30 more pass the network beside them, so that only the statistics
    differ. The score is that of 256 training pictures afterwards, normalised by batches of 64.
    Measured: own_accuracy, wide_accuracy, own_loss, wide_loss, standard_error (of the accuracies'
    difference). Bound: 480 updates of at most 32. Source: ioffe2015batch.
    """
    batch = setting.batch or WIDE
    if not 1 < batch < WIDE:
        return Unknown(why=f"the batch has {batch} pictures; it is made for 2 to {WIDE - 1}")
    with apart():
        samples = subject.samples("train", PICTURES)
        if samples is None or len(samples) < 2 * WIDE:
            return Unknown(why=f"there are no {2 * WIDE} training pictures to learn from")
        if not any(keeps_statistics(module) for module in subject.network().modules()):
            return Unknown(why="no layer of the network keeps running statistics")
        clock = Clock()
        data = ready(samples, subject.network())
        own = _score(setting, subject, data, batch, batch, clock)
        wide = _score(setting, subject, data, batch, WIDE, clock)
    number = len(data[0])
    error = math.hypot(share_error(own[0], number), share_error(wide[0], number))
    gain = max(threshold("normalisation/small-batch.gain"), 3 * error)
    hurt = own[1] > 1.5 * wide[1] if math.isnan(own[0]) else wide[0] - own[0] > gain
    return Trial(
        name="wide-statistics",
        healthy=not hurt,
        evidence=f"after {STEPS} updates with {batch} pictures in the loss, loss {own[1]:.4g} and "
        f"accuracy {own[0]:.1%} where these alone make the statistics, {wide[1]:.4g} and "
        f"{wide[0]:.1%} where {WIDE} do",
        measured={
            "own_accuracy": own[0],
            "wide_accuracy": wide[0],
            "own_loss": own[1],
            "wide_loss": wide[1],
            "standard_error": error,
        },
    )


def _score(
    setting: Setting,
    subject: Subject,
    data: tuple[Tensor, Tensor],
    batch: int,
    wide: int,
    clock: Clock,
) -> tuple[float, float]:
    inputs, targets = data
    network = set_still(new_network(subject), setting)
    optimizer = subject.optimizer(network)
    order = batches(len(inputs), WIDE, torch.Generator().manual_seed(1))
    for _, taken in zip(range(STEPS), order, strict=False):
        clock.check()
        chosen = taken[:wide].to(inputs.device)
        optimizer.zero_grad(set_to_none=True)
        outputs = answers(network, inputs[chosen])[:batch]
        subject.losses(outputs, targets[chosen[:batch]]).mean().backward()
        optimizer.step()
    with torch.no_grad():
        outputs = outputs_of(set_still(network, setting), inputs, clock)
        loss = float(subject.losses(outputs, targets).float().mean())
    marks = right(setting, outputs, targets)
    return math.nan if marks is None else float(marks.mean()), loss
