"""What comes between the learning rate and the weights: clipping, eps, momentum, the schedule."""

from __future__ import annotations

import math
from statistics import fmean, median, pstdev
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.statistics.course import Course
from hubel.diagnosis.statistics.effect import effect_of, is_over, suffers
from hubel.diagnosis.statistics.layers import gradient_norms, layers_of, update_ratios
from hubel.diagnosis.symptom import Reading, Sign, Unknown, Well
from hubel.diagnosis.thresholds import threshold

_FEWEST_SAMPLES: Final = 4


def _group(case: Case, name: str) -> float:
    """Return the largest number of that name over the optimizer's groups; NaN if none has it."""
    if case.setting.optimizer is None:
        return math.nan
    values = [group[name] for group in case.setting.optimizer.groups if name in group]
    return max(values, default=math.nan)


def _constant_norm(case: Case) -> float | None:
    """Return the norm at which the gradient is clipped at every sample; None where it is not.

    A norm that is the same at all samples is no chance: only clipping or normalising makes it so.
    """
    norms = list(gradient_norms(case).values())
    if len(norms) < _FEWEST_SAMPLES or not all(0 < norm < math.inf for norm in norms):
        return None
    mean = fmean(norms)
    return mean if pstdev(norms) < threshold("rate/clipped.variation") * mean else None


def _eps_ratio(case: Case) -> float:
    """Return the optimizer's eps over the gradients' median size; NaN where it has no such eps.

    Of the first half of the samples: later, a network that has learnt has small gradients.
    """
    optimizer = case.setting.optimizer
    # Adadelta has its eps inside of the roots, where it is of another size.
    if optimizer is None or not optimizer.adapts or optimizer.kind == "Adadelta":
        return math.nan
    sizes = [
        row.gradient
        for layer in layers_of(case)
        for row in layer.rows[: max(len(layer.rows) // 2, 1)]
        if 0 < row.gradient < math.inf
    ]
    return _group(case, "eps") / median(sizes) if sizes else math.nan


def held_back(case: Case) -> str | None:
    """Return what holds every update back, in words; None where nothing does."""
    norm = _constant_norm(case)
    eps = _eps_ratio(case)
    ratios = update_ratios(layers_of(case))
    # Where gradients are smaller than an eps as everybody has it, it is they that vanish.
    unusual = _group(case, "eps") > threshold("rate/clipped.usual-eps")
    if unusual and eps > threshold("rate/clipped.eps"):
        return f"the optimizer's eps is {eps:.2g} times the size of the gradients"
    if norm is None:
        return None
    if eps > threshold("rate/clipped.eps-clipped"):
        return (
            f"the gradient's norm is {norm:.2g} at every update, so that the optimizer's eps is "
            f"{eps:.2g} times its elements"
        )
    if ratios and median(ratios.values()) < threshold("rate/clipped.update"):
        return f"the gradient's norm is {norm:.2g} at every update, as clipping makes it"
    return None


def clipped(case: Case) -> Reading:
    """Look for clipping or eps that hold every update back."""
    norms = [norm for norm in gradient_norms(case).values() if math.isfinite(norm)]
    if len(norms) < _FEWEST_SAMPLES:
        return Unknown(why=f"fewer than {_FEWEST_SAMPLES} finite gradients were recorded")
    ratios = update_ratios(layers_of(case))
    measured = {
        "norm": median(norms),
        "variation": pstdev(norms) / fmean(norms) if any(norms) else 0.0,
        "eps": _eps_ratio(case),
        "update": median(ratios.values()) if ratios else math.nan,
    }
    words = (
        f"the gradient's norm is {measured['norm']:.2g} (variation {measured['variation']:.2g}); "
        f"weights move by {measured['update']:.2g} of their size an update"
    )
    holder = held_back(case)
    if holder is None:
        return Well(evidence=words, measured=measured)
    effect = effect_of(case)
    starved = measured["eps"] > threshold("rate/clipped.eps-clipped")
    confirmed = suffers(case, effect) or (starved and not effect.rising and case.harm.suffers)
    return Sign(
        what="Every update is held back: " + holder + ".",
        evidence=f"{words}; {effect.words}",
        confidence=0.9 if confirmed else 0.4,
        confirmed=confirmed,
        measured=measured,
    )


def momentum(case: Case) -> Reading:
    """Look for a momentum so high that the training does not settle."""
    if case.setting.optimizer is None:
        return Unknown(why="the optimizer is not known")
    values = [_group(case, "momentum"), _group(case, "beta1")]
    largest = max((value for value in values if not math.isnan(value)), default=0.0)
    measured = {"momentum": largest}
    if largest < threshold("rate/momentum.momentum"):
        return Well(evidence=f"momentum {largest:g}", measured=measured)
    effect = effect_of(case)
    if effect.course is None:
        return Unknown(why="there are too few updates to see what the momentum does")
    falling = _late_fall(effect.course)
    memory = 1 / (1 - largest) if largest < 1 else math.inf
    late = memory > threshold("rate/momentum.memory") * len(effect.course.rows)
    restless = late or falling < threshold("rate/momentum.falling")
    judged = not effect.rising and len(effect.course.rows) >= threshold("effect.updates")
    # A memory of several trainings is no setting for one, whatever it came to.
    senseless = late and is_over(case)
    confirmed = judged and (effect.hurt or senseless or (restless and case.harm.suffers))
    return Sign(
        what=f"Momentum {largest:g} carries the gradients of {memory:.0f} updates along.",
        evidence=f"{effect.words}; it last fell by {falling:.2g} standard errors",
        confidence=0.9 if confirmed else 0.4,
        confirmed=confirmed,
        measured=measured | {"falling": falling, "memory": memory},
    )


def _late_fall(course: Course) -> float:
    """Return the fall over the last half of the windows, in standard errors."""
    late = course.windows[-(len(course.windows) // 2) :]
    part = max(len(late) // 2, 1)
    error = math.sqrt(2 / part) * course.errors[-1]
    return (fmean(late[:part]) - fmean(late[-part:])) / error if error > 0 else math.inf


def decay(case: Case) -> Reading:
    """Look for a schedule that ends long before the training does."""
    rows = case.record.steps
    peak = max((row.lr for row in rows), default=0.0)
    if peak <= 0:
        return Unknown(why="no learning rate was recorded")
    ends = [row.step for row in rows if row.lr >= threshold("rate/decay.share") * peak]
    planned = max(case.setting.planned_steps or 0, rows[-1].step)
    share = ends[-1] / planned
    words = f"the rate is under 1% of its peak after update {ends[-1]} of {planned}"
    if rows[-1].step == ends[-1] or share >= threshold("rate/decay.early"):
        return Well(
            evidence=f"the rate is over 1% of its peak until update {ends[-1]} of {planned}",
            measured={"share": share},
        )
    effect = effect_of(case)
    confirmed = suffers(case, effect) and not effect.lost and not effect.diverged
    return Sign(
        what="The schedule ends too early: " + words + ".",
        evidence=f"{words}; {effect.words}",
        confidence=0.9 if confirmed else 0.4,
        confirmed=confirmed,
        measured={"share": share},
    )
