"""What the course of the loss shows of a training's health: it confirms a statistic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.statistics.course import Course, course_of
from hubel.diagnosis.thresholds import threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How the loss went. More than one may hold."""

    course: Course | None
    lost: bool
    """The loss is not a finite number any more."""
    stuck: bool
    """It never fell below what guessing costs."""
    diverged: bool
    """It grew far above its start, and what was learnt did not come back."""
    rising: bool
    """The learning rate is still being warmed up: nothing can be said yet."""
    words: str

    @property
    def hurt(self) -> bool:
        """Whether the loss alone shows harm."""
        return self.lost or self.stuck or self.diverged


def effect_of(case: Case) -> Effect:
    """Return the effect, out of the losses alone."""
    record = case.record
    tail = record.steps[-max(len(record.steps) // 10, 1) :]
    lost = bool(tail) and sum(row.lost for row in tail) > len(tail) / 2
    lost = lost or (not tail and any(one.kind == events.NON_FINITE_LOSS for one in record.events))
    course = course_of(case.setting, record)
    make = partial(Effect, course=course, lost=lost)
    if course is None:
        words = "the loss is not finite" if lost else "too few updates for a course of the loss"
        return make(stuck=False, diverged=False, rising=False, words=words)
    rising = is_warming_up(course) and not is_over(case)
    stuck = not rising and is_stuck(course)
    words = (
        f"loss {course.windows[0]:.3g} at first, {course.end:.3g} at last"
        f" ({'guessing costs' if course.guessing else 'it began at'} {course.level:.3g})"
    )
    words = "the loss is not finite at the end" if lost else words
    return make(stuck=stuck, diverged=has_diverged(course), rising=rising, words=words)


def is_over(case: Case) -> bool:
    """Return whether all updates that were planned are done: no schedule is to come any more."""
    planned, rows = case.setting.planned_steps, case.record.steps
    return planned is not None and bool(rows) and rows[-1].step >= planned


def is_warming_up(course: Course) -> bool:
    """Return whether the learning rate has not stopped rising to heights it never had."""
    rates = [row.lr for row in course.rows]
    return max(rates[: -max(len(rates) // 10, 2)]) < 0.99 * rates[-1]


def is_short(course: Course) -> bool:
    """Return whether too few updates or pictures were seen to call a loss stuck."""
    pictures = sum(row.pictures for row in course.rows)
    few = 0 < pictures < threshold("effect.pictures")
    return few or len(course.rows) < threshold("effect.updates")


def is_stuck(course: Course) -> bool:
    """Return whether the loss never was surely below guessing, and still does not fall."""
    if is_short(course):
        return False
    best = min(course.windows)
    above = best > (1 - threshold("effect.stuck")) * course.level and not is_creeping(course)
    half = len(course.windows) // 2
    late, quarter = course.windows[-half:], max(half // 2, 1)
    falls = fmean(late[-quarter:]) < (1 - threshold("effect.late")) * fmean(late[:quarter])
    return above and not falls


def is_creeping(course: Course) -> bool:
    """Return whether the loss falls slowly, but surely: below guessing, and the later the more."""
    half = len(course.windows) // 2
    error = math.hypot(fmean(course.errors[:half]), fmean(course.errors[-half:])) / math.sqrt(half)
    capped = [min(window, course.level) for window in course.windows]
    fall = fmean(capped[:half]) - fmean(capped[-half:])
    return fall > threshold("effect.falling") * error


def has_diverged(course: Course) -> bool:
    """Return whether the loss grew to twice guessing and its own start, and did not come back.

    A start that is far off is no growth; a spike that was recovered from is none either.
    """
    peak = max(range(len(course.windows)), key=lambda place: course.windows[place])
    start = max(course.level, course.rows[0].loss)
    grown = course.windows[peak] > threshold("effect.grown") * start
    surely = course.windows[peak] - start > threshold("effect.robust-z") * course.errors[peak]
    back = course.end < (1 - threshold("effect.stuck")) * course.level
    return grown and surely and not back


def suffers(case: Case, effect: Effect) -> bool:
    """Return whether the loss shows harm, or the network learnt poorly and less than it should."""
    course = effect.course
    if effect.hurt or course is None:
        return effect.hurt
    if len(course.rows) < threshold("effect.poor-updates"):
        return False  # the first updates of a healthy training learn poorly too
    return course.fallen < threshold("effect.poor") and not effect.rising and case.harm.suffers
