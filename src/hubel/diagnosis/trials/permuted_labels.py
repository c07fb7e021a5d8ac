"""Whether labels go with the pictures: permuted ones must be harder to learn."""

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
    BATCH,
    SANE_RATES,
    Clock,
    apart,
    new_network,
    outputs_of,
    ready,
    sane_optimizer,
    set_still,
    updates,
)
from hubel.diagnosis.trials.marks import chance_of, right, share_error
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 512
STEPS: Final = 240
LAST: Final = 60


def permuted_labels(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train fresh copies on 384 pictures with their labels and with permuted ones.

    240 updates of 32 pictures by Adam at 1e-3; Mann-Whitney's U, one-sided, on the last 60 losses;
    and the score on 128 pictures held out, of the side with its own labels. Measured: p, real_loss,
    permuted_loss, held_out_accuracy, chance, z (of the score above chance). Healthy where either
    says that the labels can be learned; where neither does, the network may be at fault too: read
    it beside `one-batch`. Bound: 480 updates of 32, stopping early after 120.
    """
    with apart() as generator:
        samples = subject.samples("train", PICTURES)
        if samples is None or len(samples) < 2 * BATCH:
            return Unknown(why=f"there are no {2 * BATCH} training pictures to learn from")
        clock = Clock()
        inputs, targets = ready(samples, new_network(subject))
        order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        inputs, targets = inputs[order], targets[order]
        cut = len(inputs) * 3 // 4
        mixed = targets[:cut][torch.randperm(cut, generator=generator).to(targets.device)]
        network = set_still(new_network(subject), setting)
        p, real, permuted = _compared(
            setting, subject, network, inputs[:cut], (targets[:cut], mixed), clock
        )
        outputs = outputs_of(network, inputs[cut:], clock)
        score, chance, z = _held_out(setting, outputs, targets[cut:])
    learnable = p <= threshold("permuted-labels.p") or z > threshold("permuted-labels.z")
    return Trial(
        name="permuted-labels",
        healthy=learnable,
        evidence=f"loss {real:.4g} with the labels, {permuted:.4g} with permuted ones "
        f"(p = {p:.2g}); {score:.1%} of pictures held out, chance {chance:.1%}",
        measured={
            "p": p,
            "real_loss": real,
            "permuted_loss": permuted,
            "held_out_accuracy": score,
            "chance": chance,
            "z": z,
        },
    )


def _compared(
    setting: Setting,
    subject: Subject,
    network: nn.Module,
    inputs: Tensor,
    both: tuple[Tensor, Tensor],
    clock: Clock,
) -> tuple[float, float, float]:
    from scipy.stats import mannwhitneyu

    sides: list[list[float]] = [[], []]
    networks = network, set_still(new_network(subject), setting)
    courses = [
        updates(
            setting,
            subject,
            one,
            sane_optimizer(one, SANE_RATES[0]),
            (inputs, targets),
            steps=STEPS,
            clock=clock,
            least=2 * LAST,
        )
        for one, targets in zip(networks, both, strict=True)
    ]
    p = 1.0
    for number, row in enumerate(zip(*courses, strict=False), start=1):
        for side, (loss, _, _) in zip(sides, row, strict=True):
            side.append(loss)
        if number % (2 * LAST) == 0:
            p = float(mannwhitneyu(sides[0][-LAST:], sides[1][-LAST:], alternative="less").pvalue)
            if p < 1e-9:
                break
    last = [side[-LAST:] for side in sides]
    if not last[0]:
        return 1.0, math.inf, math.inf
    return p, sum(last[0]) / len(last[0]), sum(last[1]) / len(last[1])


def _held_out(setting: Setting, outputs: Tensor, targets: Tensor) -> tuple[float, float, float]:
    marks = right(setting, outputs, targets)
    if marks is None:
        return math.nan, math.nan, math.nan
    score, chance = float(marks.mean()), chance_of(setting, targets)
    return score, chance, (score - chance) / share_error(chance, len(targets))
