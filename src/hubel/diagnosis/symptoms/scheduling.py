"""The rhythm of the learning-rate scheduler: steps for batches against steps for passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.questions import event, updates_a_pass
from hubel.diagnosis.evidence.setting import SchedulerFact
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

_CYCLES: Final = {"CosineAnnealingLR": "T_max", "CosineAnnealingWarmRestarts": "T_0"}
"""Schedulers that begin anew after so many steps."""
_WARMING: Final = frozenset({"OneCycleLR", "CyclicLR", "LinearLR", "ConstantLR", "SequentialLR"})
"""Schedulers whose first rate is far below the one that is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rhythm:
    """How a scheduler was stepped beside how long the training is."""

    scheduler: SchedulerFact
    updates: float
    """A pass."""
    passes: int
    """Begun so far."""
    done: float
    """Steps of the scheduler so far."""
    rates: tuple[float, ...]

    @property
    def by_batch(self) -> bool:
        """Whether it was stepped at each update, and not at each pass."""
        each = self.scheduler.steps_a_pass
        return self.updates >= 3 and each >= max(0.5 * self.updates, 1.5)


def _rhythm(case: Case) -> Reading:
    scheduler, steps = case.setting.scheduler, case.record.steps
    if not steps:
        return Unknown(why="no update of the weights was seen")
    if scheduler is None:
        return Well(evidence="no scheduler was seen")
    passes = max(row.pass_number for row in steps)
    rhythm = _Rhythm(
        scheduler=scheduler,
        updates=updates_a_pass(case.setting, case.record),
        passes=passes,
        done=scheduler.steps_a_pass * passes,
        rates=tuple(row.lr for row in steps if math.isfinite(row.lr)),
    )
    if math.isnan(rhythm.updates):
        return Unknown(why="it is not known how many updates a pass has")
    for look in _LOOKS:
        sign = look(case, rhythm)
        if sign is not None:
            return sign
    words = f"{scheduler.kind} stepped {scheduler.steps_a_pass:.3g} times a pass"
    early = event(case.record, events.SCHEDULER_STEP)
    return Well(
        evidence=words + (f"; it was stepped {early}, which skips one rate" if early else "")
    )


def _never(case: Case, rhythm: _Rhythm) -> Sign | None:
    if rhythm.scheduler.steps_a_pass > 0 or rhythm.passes < threshold("loop/rhythm.passes"):
        return None
    kind = rhythm.scheduler.kind
    suffers = case.harm.suffers
    return Sign(
        what=f"The scheduler {kind} was never stepped: the learning rate stays as it began.",
        evidence=f"no step of the scheduler in {rhythm.passes} passes; learning rate "
        f"{rhythm.rates[-1] if rhythm.rates else math.nan:g}",
        confidence=0.9 if kind in _WARMING else 0.6,
        confirmed=suffers,
        severity=None if suffers else "warning",
        remedy=f"Call scheduler.step() {_when(kind)}.",
    )


def _when(kind: str) -> str:
    return "after each optimizer.step()" if kind == "OneCycleLR" else "once after each pass"


def _cycles(case: Case, rhythm: _Rhythm) -> Sign | None:
    """See a period meant in passes that was stepped at each batch: the rate swings."""
    scheduler, updates = rhythm.scheduler, rhythm.updates
    name = _CYCLES.get(scheduler.kind)
    period = scheduler.numbers.get(name, math.nan) if name else math.nan
    if not rhythm.by_batch or not period > 0 or scheduler.numbers.get("T_mult", 1) > 1:
        return None
    planned = float(case.setting.planned_steps or 0)
    turns = rhythm.done / period
    # A period of a pass or of several whole ones is meant; one of a part of a pass is not.
    as_passes = planned > 0 and abs(planned / (period * updates) - 1) <= threshold(
        "loop/rhythm.near"
    )
    short = period < threshold("loop/rhythm.period") * updates
    if turns < threshold("loop/rhythm.turns") or not (short or as_passes):
        return None
    return Sign(
        what=f"The scheduler {scheduler.kind} is stepped at each batch, but its {name} = "
        f"{period:g} is meant in passes: the learning rate swings up and down all the time.",
        evidence=f"stepped {scheduler.steps_a_pass:.3g} times a pass of {updates:g} updates; "
        f"{turns:.3g} times its {name} so far",
        confidence=1.0,
        confirmed=True,
        measured={"turns": turns, "period": period / updates},
        remedy=f"Call scheduler.step() once after each pass, or set {name} to "
        f"{period * updates:g}, the number of updates.",
    )


def _decays(case: Case, rhythm: _Rhythm) -> Sign | None:
    """See a decay meant in passes that was stepped at each batch: the rate is soon next to 0."""
    del case
    if not rhythm.by_batch or not rhythm.rates:
        return None
    top = max(rhythm.rates)
    gone = sum(rate < threshold("loop/rhythm.gone") * top for rate in rhythm.rates)
    share = gone / len(rhythm.rates)
    if share < threshold("loop/rhythm.share"):
        return None
    scheduler = rhythm.scheduler
    return Sign(
        what=f"The scheduler {scheduler.kind} is stepped at each batch, and takes the learning "
        "rate to nearly 0 long before the training ends: its numbers are meant in passes.",
        evidence=f"stepped {scheduler.steps_a_pass:.3g} times a pass of {rhythm.updates:g} "
        f"updates; learning rate from {top:g} to {rhythm.rates[-1]:.2g}, {share:.0%} of the "
        "updates below a thousandth of the highest",
        confidence=0.95,
        confirmed=True,
        measured={"share": share},
        remedy="Call scheduler.step() once after each pass, or multiply the scheduler's numbers "
        f"of steps by {rhythm.updates:g}, the updates of a pass.",
    )


def _crawls(case: Case, rhythm: _Rhythm) -> Sign | None:
    """See a schedule meant in batches that was stepped at each pass: it never gets anywhere."""
    scheduler = rhythm.scheduler
    if scheduler.kind != "OneCycleLR" or rhythm.by_batch or scheduler.steps_a_pass == 0:
        return None
    total, planned = scheduler.numbers.get("total_steps", math.nan), case.setting.planned_steps
    whole = total / rhythm.updates
    near = threshold("loop/rhythm.near")
    meant = abs(total / planned - 1) <= near if planned else abs(whole - round(whole)) < 1e-6
    if rhythm.updates < 3 or not total > 2 * rhythm.updates or not meant:
        return None
    return Sign(
        what="The scheduler OneCycleLR is stepped once a pass, but its total_steps counts "
        "batches: the learning rate stays in the first steps of its warm-up.",
        evidence=f"{rhythm.done:g} of {total:g} steps in {rhythm.passes} passes",
        confidence=1.0 if planned else 0.95,
        confirmed=planned is not None or case.harm.suffers,
        measured={"share": rhythm.done / total},
        remedy="Call scheduler.step() after each optimizer.step().",
    )


_LOOKS: Final[tuple[Callable[[Case, _Rhythm], Sign | None], ...]] = (
    _never,
    _cycles,
    _decays,
    _crawls,
)
SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="loop/scheduler-rhythm",
        meaning="The scheduler is stepped at each batch where its numbers mean passes, or the "
        "other way around, or never.",
        tier=0,
        statistic="steps of the scheduler a pass, beside its period and the course of the rate",
        threshold="two periods shorter than 0.9 passes; a quarter of the updates below a "
        "thousandth of the highest rate; no step in 2 passes",
        severity="error",
        remedy="Call scheduler.step() once after each pass, or give the scheduler its numbers in "
        "updates.",
        source="hubel",
        find=_rhythm,
    ),
)
