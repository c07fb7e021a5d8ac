"""The range of learning rates at which a network learns, and where its own stands."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

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
from hubel.diagnosis.trials.trial import Trial

PICTURES: Final = 256
STEPS: Final = 40
WARM: Final = 10
"""Updates over which the rate climbs, so that a rate that needs a warm-up counts as useful."""
NO_RATE: Final = "at no learning rate does the loss fall within 40 updates"
FURTHEST: Final = 4.0
"""Powers of ten that are tried above and below the training's rate, at most."""


def rate_range(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train fresh copies shortly with the training's own optimizer at 1e-4 to 1e4 of its rate.

    40 updates of 32 pictures for each power of ten that may be of use, and for half a power at an
    edge beside the training's rate; the fall of the loss on 256 pictures is set against the largest
    one. Useful rates reach a share of it. Below its peak the fall is not followed further down.
    Measured: current_lr, best_lr, low_edge, high_edge, current_fall, best_fall (shares of the first
    loss), and `fall:1e-2` for each factor. The range of 40 updates lies higher than that of a long
    training, so a rate is unhealthy only where it is ten times below, or three times above.
    Bound: 11 x 40 updates of 32; what diverges stops at once. Source: smith2017cyclical.
    """
    with apart():
        samples = subject.samples("train", PICTURES)
        if samples is None or len(samples) < 8:
            return Unknown(why="there are no training pictures to learn from")
        clock = Clock()
        network = new_network(subject)
        current = max(group["lr"] for group in subject.optimizer(network).param_groups)
        if not current > 0:
            return Unknown(why="the optimizer's learning rate is 0")
        data = ready(samples, network)
        before = _loss(setting, subject, network, data, clock)
        if not math.isfinite(before) or before == 0:
            return Unknown(why="the loss before the first update is not a finite number above 0")
        falls: dict[float, float] = {}

        def try_at(power: float) -> None:
            if power not in falls:
                falls[power] = _fall(setting, subject, data, power, before, clock)

        for way in (1.0, -1.0):
            _explore(way, falls, try_at)
        if max(falls.values()) < threshold("rate-range.least-fall"):
            return Unknown(why=NO_RATE)
        low, high = _edges(falls)
        if low >= 0:
            try_at(low - 0.5)
        if high <= 0:
            try_at(high + 0.5)
    return _judged(float(current), falls)


def _explore(way: float, falls: dict[float, float], try_at: Callable[[float], None]) -> None:
    """Try powers of ten upwards (1) or downwards (−1), until they are surely of no use.

    They are not where the best one so far does learn and one of them falls short of its share, or
    downwards two in a row of the one before; and above a rate at which the loss is lost.
    """
    share = threshold("rate-range.high-share" if way > 0 else "rate-range.low-share")
    power = 0.0
    try_at(power)
    while abs(power) < FURTHEST and not (way > 0 and falls[power] <= -1.0):
        power += way
        try_at(power)
        best = max(falls.values())
        lower = way < 0 and falls[power] < falls[power + 1] < falls[power + 2]
        if best >= threshold("rate-range.least-fall") and (lower or falls[power] < share * best):
            return


def _edges(falls: dict[float, float]) -> tuple[float, float]:
    """Return the powers of ten at both ends of the useful rates around the best one."""
    powers = sorted(falls)
    best = max(powers, key=lambda power: falls[power])
    low = high = powers.index(best)
    below = threshold("rate-range.low-share") * falls[best]
    above = threshold("rate-range.high-share") * falls[best]
    while low > 0 and falls[powers[low - 1]] >= below:
        low -= 1
    while high < len(powers) - 1 and falls[powers[high + 1]] >= above:
        high += 1
    return powers[low], powers[high]


def _judged(current: float, falls: dict[float, float]) -> Trial:
    best = max(falls, key=lambda power: falls[power])
    low, high = _edges(falls)
    open_below = " or less" if low == min(falls) else ""
    below, above = threshold("rate-range.below"), threshold("rate-range.above")
    healthy = 10**low / below < 1 < 10**high * above
    return Trial(
        name="rate-range",
        healthy=healthy,
        evidence=f"learning rate {current:.3g}; the loss falls within 40 updates from "
        f"{current * 10**low:.2g}{open_below} to {current * 10**high:.2g}, most at "
        f"{current * 10**best:.2g}",
        measured={
            "current_lr": current,
            "best_lr": current * 10**best,
            "low_edge": current * 10**low,
            "high_edge": current * 10**high,
            "current_fall": falls[0.0],
            "best_fall": falls[best],
            **{f"fall:1e{power:g}": falls[power] for power in sorted(falls)},
        },
    )


def _fall(
    setting: Setting,
    subject: Subject,
    data: tuple[Tensor, Tensor],
    power: float,
    before: float,
    clock: Clock,
) -> float:
    network = set_still(new_network(subject), setting)
    optimizer = subject.optimizer(network, 10**power)
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    course = updates(
        setting, subject, network, optimizer, data, steps=STEPS, clock=clock, own=True, least=STEPS
    )
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate / WARM
    for done, (loss, _, _) in enumerate(course, start=1):
        if not math.isfinite(loss) or abs(loss) > 100 * abs(before):
            return -1.0
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min((done + 1) / WARM, 1.0)
    after = _loss(setting, subject, network, data, clock)
    return max((before - after) / abs(before), -1.0) if math.isfinite(after) else -1.0


@torch.no_grad()
def _loss(
    setting: Setting,
    subject: Subject,
    network: torch.nn.Module,
    data: tuple[Tensor, Tensor],
    clock: Clock,
) -> float:
    outputs = outputs_of(set_still(network, setting), data[0], clock)
    return float(subject.losses(outputs, data[1]).float().mean())
