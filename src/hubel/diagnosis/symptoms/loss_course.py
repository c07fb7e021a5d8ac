"""The course of the loss: its start, fall, swings, and numbers that are not finite."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.statistics.course import Course, course_of, cut
from hubel.diagnosis.statistics.effect import effect_of, is_creeping, is_short, suffers
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

_TOO_FEW: Final = "fewer than 20 updates with a finite loss were recorded"


def _initial(case: Case) -> Reading:
    loss, setting = case.setting.loss, case.setting
    number = setting.outputs or setting.classes
    if loss is None or loss.kind not in {"cross-entropy", "nll"}:
        return Unknown(why="what guessing costs is known of cross-entropy only")
    if number is None or number < 2 or not math.isfinite(case.record.initial_loss):
        return Unknown(why="the loss before the first update or the number of classes is not known")
    chance = math.log(number)
    distance = (case.record.initial_loss - chance) / chance
    words = (
        f"loss {case.record.initial_loss:.3g} before the first update, ln {number} = {chance:.3g}"
    )
    measured = {"distance": distance, "initial": case.record.initial_loss}
    if distance < threshold("loss/initial.distance"):
        return Well(evidence=words, measured=measured)
    effect = effect_of(case)
    slow = effect.course is not None and _is_slow(effect.course)
    late = slow or effect.lost or suffers(case, effect)
    confirmed = (distance >= threshold("loss/initial.extreme") and late) or (
        distance >= threshold("loss/initial.harmful") and effect.hurt
    )
    return Sign(
        what=f"Before the first update the loss is {1 + distance:.3g} times that of guessing.",
        evidence=f"{words}; {effect.words}",
        confidence=0.85 if confirmed else 0.5,
        confirmed=confirmed,
        measured=measured,
    )


def _is_slow(course: Course) -> bool:
    after = round(threshold("loss/initial.slow") * len(course.windows))
    poor = course.fallen < threshold("effect.poor")
    return poor and course.windows[after] > course.level


def _stagnation(case: Case) -> Reading:
    effect = effect_of(case)
    course = effect.course
    if course is None:
        return Unknown(why=_TOO_FEW)
    if effect.rising and course.fallen < threshold("effect.stuck"):
        return Unknown(why="the learning rate is still being warmed up")
    measured = {"fallen": course.fallen, "trend": course.trend, "level": course.level}
    if not effect.stuck:
        if is_short(course) and course.fallen < threshold("effect.stuck"):
            return Unknown(why="too few updates or pictures were seen to call the loss stuck")
        slowly = ", slowly but surely" if is_creeping(course) else ""
        return Well(evidence=f"{effect.words}{slowly}", measured=measured)
    guesses = course.guessing
    return Sign(
        what="The loss does not fall: the network answers no better than by guessing.",
        evidence=f"{effect.words}, over {len(course.rows)} updates",
        confidence=0.9 if guesses else 0.7,
        confirmed=guesses or case.harm.suffers,
        measured=measured,
    )


def _divergence(case: Case) -> Reading:
    effect = effect_of(case)
    course = effect.course
    if course is None:
        return Unknown(why=_TOO_FEW)
    measured = {"largest": max(course.windows), "level": course.level, "end": course.end}
    if effect.diverged:
        return Sign(
            what=f"The loss grew to {max(course.windows) / course.level:.3g} times guessing's.",
            evidence=effect.words,
            confidence=0.9,
            confirmed=True,
            measured=measured,
        )
    least = min(range(len(course.windows)), key=lambda place: course.windows[place])
    growth = course.end - course.windows[least]
    learnt = course.windows[least] < (1 - threshold("effect.stuck")) * course.level
    surely = growth > threshold("effect.robust-z") * course.errors[-1]
    if learnt and surely and course.end > course.level and not effect.rising:
        return Sign(
            what="The loss fell at first, and is back where guessing would be.",
            evidence=f"{effect.words}; {course.windows[least]:.3g} at its least",
            confidence=0.85,
            confirmed=True,
            measured=measured,
        )
    return Well(evidence=effect.words, measured=measured)


def _oscillation(case: Case) -> Reading:
    course = course_of(case.setting, case.record)
    if course is None:
        return Unknown(why=_TOO_FEW)
    pictures = course.rows[-1].pictures or case.setting.batch or 0
    if not pictures or course.end <= 0:
        return Unknown(why="the sampling noise is not known without the number of pictures a step")
    swing = course.noise * math.sqrt(pictures) / course.end
    switches = _switches([row.loss for row in cut(course.rows, 2)[-1]])
    measured = {"swing": swing, "switches": switches, "share": course.end / course.level}
    words = (
        f"the loss swings {swing:.2g} times as much as batches of {pictures} differ; "
        f"{switches:.0%} of its differences have the other sign than the one before"
    )
    high = course.end > threshold("loss/oscillation.high") * course.level
    wild = swing > threshold("loss/oscillation.swing")
    if not (high and wild and switches > threshold("loss/oscillation.switches")):
        return Well(evidence=words, measured=measured)
    confirmed = case.harm.suffers
    return Sign(
        what="The loss jumps up and down far more than the choice of pictures explains.",
        evidence=words,
        confidence=0.7 if confirmed else 0.4,
        confirmed=confirmed,
        measured=measured,
    )


def _switches(losses: list[float]) -> float:
    steps = [after - before for before, after in pairwise(losses)]
    return fmean(one * two < 0 for one, two in pairwise(steps))


def _non_finite(case: Case) -> Reading:
    record = case.record
    lost = [row.step for row in record.steps if row.lost]
    lost += [one.step for one in record.events if one.kind == events.NON_FINITE_LOSS]
    gradients = [one.step for one in record.events if one.kind == events.NON_FINITE_GRADIENT]
    gradients += [row.step for row in record.weights if math.isinf(row.gradient)]
    broken = [row.step for row in record.weights if not row.finite]
    if not lost and not broken:
        return _skipped(case, sorted(set(gradients)))
    first = min(lost + broken)
    where = _first_module(case)
    named = f", first in {where[0]}" if where else ""
    share = len(set(lost)) / max(len(record.steps), 1)
    return Sign(
        what=f"Numbers are not finite from update {first} on{named}.",
        evidence=f"the loss of {len(set(lost))} of {len(record.steps)} updates is not finite",
        where=where or (f"update {first}",),
        confidence=1.0,
        confirmed=True,
        measured={"first": float(first), "share": share},
    )


def _skipped(case: Case, steps: list[int]) -> Reading:
    total = len(case.record.steps)
    if not total:
        return Unknown(why="no update was recorded")
    share = len(steps) / total
    words = f"{total} updates, all losses finite; gradients not finite at {len(steps)}"
    scaled = case.setting.loss_scaling or case.setting.precision == "float16"
    allowed = threshold("loss/non-finite.skipped") * total + 10 if scaled else 0
    if len(steps) <= allowed:
        return Well(evidence=words, measured={"share": share})
    return Sign(
        what=f"The gradients of {len(steps)} updates are not finite.",
        evidence=words,
        where=tuple(f"update {step}" for step in steps[:5]),
        confidence=0.6,
        confirmed=False,
        measured={"share": share},
    )


def _first_module(case: Case) -> tuple[str, ...]:
    found = [one for one in case.record.events if one.kind == events.NON_FINITE_MODULE]
    if found:
        return min(found, key=lambda one: one.step).where
    units = [row for row in case.record.units if not row.finite]
    return (units[0].path,) if units else ()


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="loss/initial",
        meaning="The loss before the first update is far above that of guessing.",
        tier=1,
        statistic="(L₀ − ln C) / ln C on the probe batch, for cross-entropy of C classes",
        threshold=(
            f"over {threshold('loss/initial.distance'):g}; an alarm over "
            f"{threshold('loss/initial.harmful'):g} where the loss shows harm, over "
            f"{threshold('loss/initial.extreme'):g} where it is slow to come down, or the "
            "training suffers"
        ),
        severity="warning",
        remedy="Look at the range of the inputs and at the initial weights.",
        source="hubel",
        find=_initial,
    ),
    Symptom(
        id="loss/stagnation",
        meaning="The loss does not fall.",
        tier=1,
        statistic="fall of the best window's mean loss below that of guessing",
        threshold=(
            f"under {threshold('effect.stuck'):.0%} after {threshold('effect.updates'):g} updates "
            f"and {threshold('effect.pictures'):g} pictures, and no fall of "
            f"{threshold('effect.falling'):g} standard errors"
        ),
        severity="error",
        remedy="Look at the other findings for why; try rates 10 times as high and as low.",
        source="hubel",
        find=_stagnation,
    ),
    Symptom(
        id="loss/divergence",
        meaning="The loss grows, and does not come back.",
        tier=1,
        statistic="largest window's mean loss over that of guessing; its standard errors",
        threshold=(
            f"{threshold('effect.grown'):g} times with {threshold('effect.robust-z'):g} standard "
            "errors, and the end is not below guessing"
        ),
        severity="error",
        remedy="Lower the learning rate 10 times, or clip the gradient.",
        source="hubel",
        find=_divergence,
    ),
    Symptom(
        id="loss/oscillation",
        meaning="The loss jumps up and down more than the choice of pictures explains.",
        tier=1,
        statistic="noise of the loss · √(pictures a step) / loss; share of differences that turn",
        threshold=(
            f"over {threshold('loss/oscillation.swing'):g} and over "
            f"{threshold('loss/oscillation.switches'):.0%}, where the loss is over "
            f"{threshold('loss/oscillation.high'):.0%} of guessing's"
        ),
        severity="warning",
        remedy="Lower the learning rate or the momentum, or take larger batches.",
        source="hubel",
        find=_oscillation,
    ),
    Symptom(
        id="loss/non-finite",
        meaning="Losses, gradients or weights are not finite numbers.",
        tier=0,
        statistic="updates whose loss or weights are not finite",
        threshold=(
            "any; with loss scaling, gradients may be so at "
            f"{threshold('loss/non-finite.skipped'):.0%} of the updates and 10 more"
        ),
        severity="error",
        remedy="Look at the module that is named, for log(0), division by 0 and broken "
        "pictures; lower the learning rate.",
        source="hubel",
        find=_non_finite,
    ),
)
