"""One line while a training runs, when something is wrong: a root cause at a time, never twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from hubel.diagnosis.case import Case
from hubel.diagnosis.examination import examine
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.watching.course import Course

_TRIED: Final = 2
"""From this tier on a symptom needs tests, which are not made while a training runs."""


@final
class Voice:
    """Speaks to the user."""

    def __init__(self, say: Callable[[str], object] | None) -> None:
        self._say = say
        self._told: set[str] = set()
        self._passes = 0
        self._next = 0

    def due(self, course: Course, every: int) -> bool:
        """Return whether to look now: a pass is over, or `every` updates, and there is time."""
        passed = course.passes > self._passes
        if self._say is None or not (passed or course.updates >= self._next):
            return False
        if not course.clock.affords():
            return False
        self._passes = course.passes
        self._next = course.updates + every
        return True

    def examine(self, case: Case) -> None:
        """Say the root cause of what is wrong, unless it was said before."""
        late = {name for name, symptom in SYMPTOMS.items() if symptom.tier >= _TRIED}
        causes = examine(case, silence=late).causes
        if self._say is not None and causes and causes[0].id not in self._told:
            self._told.add(causes[0].id)
            self._say(f"hubel: {causes[0].what} [{causes[0].id}] {causes[0].evidence}")
