"""The examination: every rule reads the case, and what they say becomes one diagnosis."""

from __future__ import annotations

from collections.abc import Collection

from hubel.diagnosis.case import Case
from hubel.diagnosis.causes import ranked
from hubel.diagnosis.prescriptions import prescribe
from hubel.diagnosis.symptom import Sign, Symptom, Unknown, Well
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.wording import verdict
from hubel.results import Checked, Diagnosis, Finding, Provenance, Unchecked


def examine(
    case: Case, *, silence: Collection[str] = (), provenance: Provenance | None = None
) -> Diagnosis:
    """Return what is wrong with the training of `case`, the root cause first.

    `silence` holds ids of symptoms that are not looked for.
    """
    readings = {
        symptom.id: symptom.find(case) for symptom in SYMPTOMS.values() if symptom.id not in silence
    }
    alarms = {
        name: reading
        for name, reading in readings.items()
        if isinstance(reading, Sign) and reading.confirmed
    }
    causes = tuple(_finding(SYMPTOMS[name], alarms[name]) for name in ranked(alarms))
    observations = tuple(
        _finding(SYMPTOMS[name], reading)
        for name, reading in readings.items()
        if isinstance(reading, Sign) and not reading.confirmed
    )
    unchecked = tuple(
        Unchecked(id=name, why=reading.why)
        for name, reading in readings.items()
        if isinstance(reading, Unknown)
    )
    return Diagnosis(
        verdict=verdict(case, causes, observations, unchecked),
        causes=causes,
        prescriptions=prescribe(case, causes),
        observations=observations,
        healthy=tuple(
            Checked(id=name, evidence=reading.evidence)
            for name, reading in readings.items()
            if isinstance(reading, Well)
        ),
        unchecked=unchecked,
        step=case.record.steps[-1].step if case.record.steps else 0,
        provenance=provenance,
    )


def _finding(symptom: Symptom, sign: Sign) -> Finding:
    return Finding(
        id=symptom.id,
        what=sign.what,
        where=sign.where,
        evidence=sign.evidence,
        threshold=symptom.threshold,
        severity=sign.severity or symptom.severity,
        confidence=sign.confidence,
        remedy=sign.remedy or symptom.remedy,
        source=symptom.source,
    )
