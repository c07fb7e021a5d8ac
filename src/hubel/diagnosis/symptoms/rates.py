"""The learning rate and what holds updates back: too high, too low, clipped."""

from __future__ import annotations

import math
from statistics import median
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.statistics.effect import effect_of, suffers
from hubel.diagnosis.statistics.layers import layers_of, update_ratios
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.symptoms.gradients import vanishes
from hubel.diagnosis.symptoms.rate_limits import clipped, decay, held_back, momentum
from hubel.diagnosis.symptoms.units import killed_units
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.rate_range import NO_RATE
from hubel.diagnosis.trials.trial import Trial

_NO_UPDATES: Final = "no update of a weight was recorded"


def _too_high(case: Case) -> Reading:
    ratios = update_ratios(layers_of(case))
    if not ratios:
        return Unknown(why=_NO_UPDATES)
    step = max(ratios, key=lambda one: ratios[one])
    effect = effect_of(case)
    words = f"at update {step} the weights moved by {ratios[step]:.2g} of their size"
    measured = {"largest": ratios[step]}
    large = ratios[step] > threshold("rate/too-high.update")
    small = ratios[step] < threshold("rate/too-high.least")
    poor = suffers(case, effect) and not (small and not effect.lost and not effect.diverged)
    killed = killed_units(case) if large else None
    if not (poor or large):
        return Well(evidence=words, measured=measured)
    trial = case.trials.make("rate-range")
    edge = _edge(trial, "high_edge")
    shown = isinstance(trial, Trial) and not trial.healthy and edge < 1
    if killed is not None and isinstance(trial, Trial):
        words = f"{words}; {killed}"
        fallen = trial.measured["current_fall"] / trial.measured["best_fall"]
        shown = shown or fallen < threshold("rate/too-high.killed")
    overwritten = ratios[step] > threshold("rate/too-high.overwritten")
    # Where the same rate learns well in the test, a loss that is not finite has another reason, and
    # so has one that falls at no rate, if weights were not overwritten.
    no_other = isinstance(trial, Unknown) and trial.why == NO_RATE
    useful = isinstance(trial, Trial) and trial.healthy and effect.lost
    acquitted = (useful or no_other) and not overwritten
    seen = large and not acquitted and (effect.hurt or (overwritten and case.harm.suffers))
    if not shown and (acquitted or not (large and (poor or seen))):
        return Well(evidence=f"{words}{_said(trial)}", measured=measured | {"edge": edge})
    began_well = not _began_badly(case)
    return Sign(
        what="The learning rate is too high." if began_well else "Updates are far too large.",
        evidence=f"{words}; {effect.words}{_said(trial)}",
        confidence=_confidence(
            shown=shown,
            harmed=poor or killed is not None or case.harm.suffers,
            seen=seen,
            alone=began_well,
        ),
        confirmed=shown or seen,
        measured=measured | {"edge": edge},
    )


def _confidence(*, shown: bool, harmed: bool, seen: bool, alone: bool) -> float:
    sure = 0.95 if shown and harmed else 0.85 if seen else 0.75 if shown else 0.5
    return sure if alone else sure - 0.25


def _began_badly(case: Case) -> bool:
    """Return whether the loss was far off before any update: then the rate is not to blame."""
    number = case.setting.outputs or case.setting.classes
    if number is None or number < 2 or case.setting.loss is None:
        return False
    chance = math.log(number)
    known = case.setting.loss.kind in {"cross-entropy", "nll"}
    return known and case.record.initial_loss > chance * (1 + threshold("loss/initial.harmful"))


def _edge(trial: Trial | Unknown, name: str, most: float = math.inf) -> float:
    """Return an edge of the useful rates over the training's own rate; NaN if not known.

    `most` is the highest rate that the training came to; its schedule may never reach the full one.
    """
    if not isinstance(trial, Trial):
        return math.nan
    return trial.measured.get(name, math.nan) / min(trial.measured["current_lr"], most)


def _said(trial: Trial | Unknown) -> str:
    return f"; range test: {trial.evidence}" if isinstance(trial, Trial) else ""


def _too_low(case: Case) -> Reading:
    ratios = _at_full_rate(case)
    if not ratios:
        return Unknown(why="no update with a gradient was recorded near the full learning rate")
    effect = effect_of(case)
    if effect.course is None or effect.rising:
        return Unknown(why="there are too few updates, or the rate is still being warmed up")
    ratio = max(ratios)
    words = f"weights move by at most {ratio:.2g} of their size an update; {effect.words}"
    measured = {"ratio": ratio, "fallen": effect.course.fallen}
    suspicious = ratio < threshold("rate/too-low.suspicious")
    poor = effect.course.fallen <= threshold("effect.poor")
    if not suspicious or not (poor or case.harm.suffers) or effect.diverged:
        return Well(evidence=words, measured=measured)
    holder = "the gradient vanishes" if vanishes(case) else held_back(case)
    if holder is not None:
        return Well(evidence=f"{words}; it is not the rate: {holder}", measured=measured)
    trial = case.trials.make("rate-range")
    edge = _edge(trial, "low_edge", most=max(row.lr for row in case.record.steps))
    below = threshold("rate/too-low.below") if case.harm.suffers else threshold("rate-range.below")
    shown = isinstance(trial, Trial) and edge > below
    # Fine-tuning moves weights as little; where the loss has fallen, only the test tells.
    low = poor and ratio < threshold("rate/too-low.update")
    better = case.harm.suffers and _learns_better_above(trial)
    seen = low and (effect.stuck or case.harm.suffers) and not isinstance(trial, Trial)
    if not (low or shown or better):
        return Well(evidence=f"{words}{_said(trial)}", measured=measured)
    return Sign(
        what="The learning rate is too low.",
        evidence=f"{words}{_said(trial)}",
        confidence=0.95 if shown else 0.85 if seen else 0.7 if better else 0.4,
        confirmed=shown or seen or better,
        measured=measured | {"edge": edge},
    )


def _learns_better_above(trial: Trial | Unknown) -> bool:
    """Return whether the test found a rate many times higher at which far more is learnt."""
    if not isinstance(trial, Trial):
        return False
    found = trial.measured
    little = found["current_fall"] < threshold("rate/too-low.share") * found["best_fall"]
    return little and found["best_lr"] >= threshold("rate-range.below") * found["current_lr"]


def _at_full_rate(case: Case) -> list[float]:
    """Return mean|Δw|/mean|w|, median over layers, scaled to the peak rate, of each sample.

    Only of samples at 1% of the peak rate or more, and of layers that have a gradient.
    """
    rates = {row.step: row.lr for row in case.record.steps}
    peak = max(rates.values(), default=0.0)
    scaled: dict[int, list[float]] = {}
    for layer in layers_of(case):
        for row in layer.rows:
            rate = rates.get(row.step, 0.0)
            if rate > 0.01 * peak and row.gradient > 0 and math.isfinite(row.mean_ratio):
                scaled.setdefault(row.step, []).append(row.mean_ratio * peak / rate)
    return [median(values) for values in scaled.values()]


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="rate/too-high",
        meaning="The learning rate is so high that updates destroy what was learnt.",
        tier=1,
        statistic="mean|Δw| / mean|w|, median over layers, at its largest; range test",
        threshold=(
            f"over {threshold('rate/too-high.update'):g} where the loss shows harm, over "
            f"{threshold('rate/too-high.overwritten'):g} where it falls poorly; or, where one of "
            "these is so, the useful rates end below the rate"
        ),
        severity="error",
        remedy="Lower the learning rate 10 times.",
        source="hubel",
        find=_too_high,
    ),
    Symptom(
        id="rate/too-low",
        meaning="The learning rate is so low that the network hardly learns.",
        tier=1,
        statistic="mean|Δw| / mean|w|, median over layers, scaled to the peak rate, at its "
        "largest; learning-rate range test",
        threshold=(
            f"under {threshold('rate/too-low.update'):g} where the loss does not fall; or under "
            f"{threshold('rate/too-low.suspicious'):g} where the useful rates begin "
            f"{threshold('rate/too-low.below'):g} times above the rate and the training suffers, "
            f"or {threshold('rate-range.below'):g} times above it; or with harm, a rate as far "
            f"above learns over {1 / threshold('rate/too-low.share'):.1f} times as much"
        ),
        severity="error",
        remedy="Raise the learning rate 10 to 100 times.",
        source="hubel",
        find=_too_low,
    ),
    Symptom(
        id="rate/clipped",
        meaning="Clipping, or the optimizer's eps, holds every update back.",
        tier=1,
        statistic="std/mean of the gradient's norm as it arrives; mean|Δw| / mean|w|; eps over the "
        "gradient's size",
        threshold=(
            f"norm constant to {threshold('rate/clipped.variation'):g} and updates under "
            f"{threshold('rate/clipped.update'):g}, or eps over "
            f"{threshold('rate/clipped.eps'):g} times the gradient; and the loss suffers"
        ),
        severity="error",
        remedy="Clip at a norm of 1 or not at all; leave eps at 1e-8.",
        source="hubel",
        find=clipped,
    ),
    Symptom(
        id="rate/momentum",
        meaning="So much momentum that updates follow gradients of long ago.",
        tier=1,
        statistic="momentum or β₁; fall of the loss over the last half in standard errors",
        threshold=(
            f"{threshold('rate/momentum.momentum'):g} or more, where the training suffers, and the "
            f"loss falls by under {threshold('rate/momentum.falling'):g} or the memory 1/(1 − β) "
            f"is over {threshold('rate/momentum.memory'):g} times the updates done; or it is, at "
            "the training's end"
        ),
        severity="error",
        remedy="Set the momentum to 0.9.",
        source="hubel",
        find=momentum,
    ),
    Symptom(
        id="rate/decay",
        meaning="The schedule takes the learning rate to almost nothing too early.",
        tier=1,
        statistic="share of the planned updates from which on the rate is under 1% of its peak",
        threshold=(f"under {threshold('rate/decay.early'):.0%}, where the training suffers"),
        severity="error",
        remedy="Stretch the schedule over all updates; step it once a pass if it counts passes.",
        source="hubel",
        find=decay,
    ),
)
