"""Whether regularisation holds a training back: the same steps with and without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.bench import (
    Clock,
    answers,
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
STEPS: Final = 160
GOOD: Final = 0.9
"""Score on training pictures that nothing can have held back."""


def regularisation_off(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train with the training's own optimizer, with dropout and weight decay and without.

    From fresh weights, and where that shows nothing from those of now: 160 updates of 32 of 384
    training pictures. The score is that of the same pictures afterwards, dropout off and batches'
    own statistics. Measured: with_accuracy, without_accuracy (R² for numbers), standard_error of
    the difference, fresh (1 where seen from fresh weights), augmented. Healthy where the score
    without is not clearly above that with. Bound: 640 updates of 32. Source: srivastava2014dropout.
    """
    with apart():
        samples = subject.samples("train", PICTURES)
        if samples is None or len(samples) < 32:
            return Unknown(why="there are no 32 training pictures to learn from")
        clock = Clock()
        data = ready(samples, subject.network())
        idle = _idle(setting, subject, data)
        if idle is not None:
            return idle
        starts = (True, False) if subject.fresh() is not None else (False,)
        sides = _sides(setting, subject, data, starts[0], clock)
        at_start = starts[0]
        if len(starts) == 2 and not _clear(*sides, len(samples)):
            now = outputs_of(set_still(subject.network(), setting), data[0], clock)
            if _marks(setting, now, data[1]) < GOOD:
                again = _sides(setting, subject, data, starts[1], clock)
                if again[1] - again[0] > sides[1] - sides[0]:
                    sides, at_start = again, False
    return Trial(
        name="regularisation-off",
        healthy=not _clear(*sides, len(samples)),
        evidence=f"after {STEPS} updates {sides[0]:.1%} of the training pictures right with "
        f"dropout and weight decay, {sides[1]:.1%} without",
        measured={
            "with_accuracy": sides[0],
            "without_accuracy": sides[1],
            "standard_error": _error(*sides, len(samples)),
            "fresh": float(at_start),
            "augmented": float(samples.augmented),
        },
    )


def _idle(
    setting: Setting, subject: Subject, data: tuple[Tensor, Tensor]
) -> Trial | Unknown | None:
    """Return an answer where there is nothing to take away, or only what can hold nothing back."""
    network, inputs = new_network(subject), data[0]
    optimizer = subject.optimizer(network)
    decays = any(group.get("weight_decay", 0) for group in optimizer.param_groups)
    if decays:
        set_still(network, setting)
        subject.losses(answers(network, inputs[:32]), data[1][:32]).mean().backward()
    taken = _decayed(optimizer)
    network = subject.network()
    if taken > threshold("fit/over-regularised.decayed"):
        return None
    with torch.no_grad():
        _set_as_trained(network, setting)
        noisy = answers(network, inputs[:32])
        if not torch.equal(noisy, answers(set_still(network, setting), inputs[:32])):
            return None
    if not decays:
        return Unknown(why="the training has neither dropout nor weight decay to take away")
    return Trial(
        name="regularisation-off",
        healthy=True,
        evidence=f"there is no dropout, and in {STEPS} updates weight decay takes {taken:.1%} of "
        "a weight",
        measured={"decayed": taken},
    )


def _decayed(optimizer: Optimizer) -> float:
    """Return the share of a weight that decay alone takes in STEPS updates; infinite if unknown.

    η λ / (1 - μ) an update for SGD with momentum μ, η λ where decay is apart from the gradient
    (loshchilov2019decoupled). Elsewhere it is added to the gradient, and steps depend on neither's
    size: it takes nothing where λ w is small beside the gradients that the parameters have.
    """
    share = 0.0
    for group in optimizer.param_groups:
        decay, rate = float(group.get("weight_decay", 0.0)), float(group.get("lr", 0.0))
        if not decay:
            continue
        if isinstance(optimizer, SGD):
            rate /= max(1.0 - float(group.get("momentum", 0.0)), 1e-3)
        elif not (isinstance(optimizer, AdamW) or group.get("decoupled_weight_decay")):
            if _weighs(decay, group["params"]) > threshold("fit/over-regularised.beside"):
                return math.inf
            continue
        share = max(share, rate * decay * STEPS)
    return share


def _weighs(decay: float, parameters: Sequence[Tensor]) -> float:
    """Return the largest λ w / g over weight matrices, in root mean squares."""
    return max(
        (
            decay * float(one.detach().norm() / one.grad.norm().clamp_min(1e-30))
            for one in parameters
            if one.ndim > 1 and one.grad is not None
        ),
        default=math.inf,
    )


def _sides(
    setting: Setting, subject: Subject, data: tuple[Tensor, Tensor], fresh: bool, clock: Clock
) -> tuple[float, float]:
    held, freed = (
        _score(setting, subject, data, fresh=fresh, off=off, clock=clock) for off in (False, True)
    )
    return held, freed


def _error(held: float, freed: float, number: int) -> float:
    return math.hypot(share_error(held, number), share_error(freed, number))


def _clear(held: float, freed: float, number: int) -> bool:
    error = _error(held, freed, number)
    return freed - held > max(threshold("fit/over-regularised.gain"), 3 * error)


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
    needed = STEPS if off else 2 * STEPS  # both sides, and this one is the first
    for _ in updates(
        setting, subject, network, optimizer, data, steps=STEPS, clock=clock, own=True, least=needed
    ):
        pass
    with torch.no_grad():
        outputs = outputs_of(set_still(network, setting), data[0], clock)
    return _marks(setting, outputs, data[1])


def _marks(setting: Setting, outputs: Tensor, targets: Tensor) -> float:
    marks = right(setting, outputs, targets)
    if marks is not None:
        return float(marks.mean())
    left = left_over(outputs, targets)
    return 0.0 if left is None else max(1 - float(left.mean()), 0.0)


def _set_as_trained(network: nn.Module, setting: Setting) -> None:
    """Training mode, but where the training itself held a layer in evaluation mode."""
    modes = {fact.path: fact.training for fact in setting.modules}
    network.train()
    if any(modes.values()):
        for path, module in network.named_modules():
            if not modes.get(path, True):
                module.training = False
