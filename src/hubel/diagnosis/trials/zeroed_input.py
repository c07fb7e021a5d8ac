"""Whether a network uses its input: a copy that gets zeros must learn less."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.bench import (
    SANE_RATES,
    Clock,
    apart,
    new_network,
    outputs_of,
    ready,
    sane_optimizer,
    set_still,
    stands_still,
    updates,
)
from hubel.diagnosis.trials.marks import balanced
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 32
STEPS: Final = 200
LAST: Final = 30
"""Losses of each side that are compared."""
SURE: Final = 1e-6
"""p below which it stops early."""


def zeroed_input(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train two fresh copies on 32 pictures and on zeros, and compare their last losses.

    Mann-Whitney's U, one-sided, on the last 30 losses of each: p > .05 says that pictures help no
    more than zeros do. Up to 200 updates of 16 pictures by Adam at up to three usual rates, fewer
    where both losses stand still. Measured: p, real_loss, zero_loss, and spread: how far outputs of
    the network as it stands differ between pictures, over their size. Bound: 1,200 updates of 16,
    mostly 120. Source: braiek2022testing.
    """
    with apart() as generator:
        samples = subject.samples("train", 256)
        if samples is None or len(samples) < 4:
            return Unknown(why="there are no training pictures to learn from")
        clock = Clock()
        inputs, targets = ready(samples, new_network(subject))
        chosen = balanced(setting, samples.targets, PICTURES, generator).to(inputs.device)
        data = inputs[chosen], targets[chosen]
        spread = _spread(subject, inputs[:128], clock)
        p, real, zero = 1.0, float("nan"), float("nan")
        for lr in SANE_RATES:
            outcome = _compared(setting, subject, data, lr, clock)
            if outcome[0] <= p:
                p, real, zero = outcome
            if p <= threshold("fit/ignores-input.p"):
                break
    return Trial(
        name="zeroed-input",
        healthy=p <= threshold("fit/ignores-input.p"),
        evidence=f"loss {real:.4g} on pictures, {zero:.4g} on zeros in their place (p = {p:.2g})",
        measured={"p": p, "real_loss": real, "zero_loss": zero, "spread": spread},
    )


def _compared(
    setting: Setting, subject: Subject, data: tuple[Tensor, Tensor], lr: float, clock: Clock
) -> tuple[float, float, float]:
    from scipy.stats import mannwhitneyu

    sides: list[list[float]] = [[], []]
    courses = [
        updates(
            setting,
            subject,
            network,
            sane_optimizer(network, lr),
            (inputs, data[1]),
            steps=STEPS,
            clock=clock,
            size=min(16, len(data[1])),
            least=2 * LAST,
        )
        for network, inputs in (
            (set_still(new_network(subject), setting), data[0]),
            (set_still(new_network(subject), setting), torch.zeros_like(data[0])),
        )
    ]
    p = 1.0
    for number, row in enumerate(zip(*courses, strict=False), start=1):
        for side, (loss, _, _) in zip(sides, row, strict=True):
            side.append(loss)
        if number % (2 * LAST) == 0:
            p = float(mannwhitneyu(sides[0][-LAST:], sides[1][-LAST:], alternative="less").pvalue)
            if p < SURE or all(stands_still(side) for side in sides):
                break
    last = [side[-LAST:] for side in sides]
    if not last[0]:
        return 1.0, float("inf"), float("inf")
    p = float(mannwhitneyu(last[0], last[1], alternative="less").pvalue)
    return p, sum(last[0]) / len(last[0]), sum(last[1]) / len(last[1])


def _spread(subject: Subject, inputs: Tensor, clock: Clock) -> float:
    network = subject.network().eval()
    outputs = outputs_of(network, inputs, clock).flatten(1)
    size = outputs.square().mean().sqrt()
    return float(outputs.std(0).square().mean().sqrt() / size) if float(size) > 0 else 0.0
