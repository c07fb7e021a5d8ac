"""Whether there is a reason to test anything."""

from __future__ import annotations

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Unknown, Well


def quiet_about(case: Case) -> Reading | None:
    """Return an answer where nothing calls for a test; None where the training suffers.

    Before the first update there is nothing to judge by, and a test is all that there is.
    """
    if not case.record.steps and not case.record.evaluations and case.subject is not None:
        return None
    harm = case.harm
    if not harm.known:
        return Unknown(why=f"whether the training suffers is {harm.evidence.removeprefix('is ')}")
    return None if harm.suffers else Well(evidence=f"the training does not suffer: {harm.evidence}")
