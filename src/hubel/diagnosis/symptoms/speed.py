"""Time: a network that waits for its pictures."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold

_WARMING_UP: Final = 5
"""Updates at the start that are left out: devices and workers start in them."""


def _loader_bound(case: Case) -> Reading:
    rows = [row for row in case.record.steps[_WARMING_UP:] if row.took_s > 0]
    later = [row for row in rows if row.pass_number > 1]
    first_only = len(later) < threshold("speed/loader-bound.updates")
    rows = rows if first_only else later
    if len(rows) < threshold("speed/loader-bound.updates"):
        return Unknown(why="too few updates with their times were recorded")
    waited, took = sum(row.waited_s for row in rows), sum(row.took_s for row in rows)
    if waited <= 0:
        return Unknown(why="the time that the loop waits for pictures was not recorded")
    share, seconds = waited / took, waited / len(rows)
    words = (
        f"waits {seconds * 1000:.3g} ms of {took / len(rows) * 1000:.3g} ms an update ({share:.0%})"
    )
    measured = {"share": share, "seconds": seconds}
    if share < threshold("speed/loader-bound.notable"):
        return Well(evidence=words, measured=measured)
    bound = share > threshold("speed/loader-bound.bound")
    long = seconds > threshold("speed/loader-bound.seconds")
    return Sign(
        what=f"The network waits for pictures {share:.0%} of the time.",
        evidence=words + (", in the first pass, which may fill a cache" if first_only else ""),
        confidence=0.95 if bound else 0.6,
        confirmed=bound and long and not first_only,
        measured=measured,
        severity="warning" if bound else "note",
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="speed/loader-bound",
        meaning="The network waits for pictures most of the time.",
        tier=1,
        statistic="time waited for the loader / time, after the first pass where there are more",
        threshold=(
            f"over {threshold('speed/loader-bound.notable'):.0%} is worth a note; over "
            f"{threshold('speed/loader-bound.bound'):.0%} with "
            f"{threshold('speed/loader-bound.seconds') * 1000:g} ms an update an alarm"
        ),
        severity="warning",
        remedy="Use more workers for the loader, smaller stored pictures, or a cache.",
        source="hubel",
        find=_loader_bound,
    ),
)
