"""The examination: every rule reads the case, and what they say becomes one diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from hubel.diagnosis.case import Case
from hubel.diagnosis.causes import combined, doubtful, ranked
from hubel.diagnosis.courses import courses_of
from hubel.diagnosis.prescriptions import prescribe
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.wording import verdict
from hubel.results import Checked, Diagnosis, Finding, Provenance, Unchecked

Progress = Callable[[str, int, int], None]
"""Told what is looked for now, how many were before it, and how many there are."""


def examine(
    case: Case,
    *,
    silence: Collection[str] = (),
    provenance: Provenance | None = None,
    progress: Progress | None = None,
    known: Mapping[str, Reading] | None = None,
) -> Diagnosis:
    """Return what is wrong with the training of `case`, the root cause first.

    `silence` holds ids of symptoms that are not looked for. `known` holds readings that stand where
    a rule could not tell.
    """
    readings = _readings(case, silence, progress)
    for name, reading in (known or {}).items():
        if isinstance(readings.get(name), Unknown):
            readings[name] = reading
    alarms = {
        name: reading
        for name, reading in readings.items()
        if isinstance(reading, Sign) and reading.confirmed
    }
    for name in doubtful(alarms):
        readings[name] = replace(alarms.pop(name), confirmed=False)
    sure = combined(alarms)
    causes = tuple(
        replace(_finding(SYMPTOMS[name], alarms[name]), confidence=sure[name])
        for name in ranked(alarms)
    )
    prescriptions = prescribe(case, causes)
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
    healthy = tuple(
        Checked(id=name, evidence=reading.evidence)
        for name, reading in readings.items()
        if isinstance(reading, Well)
    )
    return Diagnosis(
        verdict=verdict(case, causes, observations, unchecked, healthy, prescriptions),
        causes=causes,
        prescriptions=prescriptions,
        observations=observations,
        healthy=healthy,
        unchecked=unchecked,
        step=case.record.steps[-1].step if case.record.steps else 0,
        provenance=provenance,
        courses=courses_of(case.record) if case.record.steps else None,
    )


def _readings(
    case: Case, silence: Collection[str], progress: Progress | None
) -> dict[str, Reading]:
    """Ask every rule that is not silenced; one that fails is not answered, and ends nothing."""
    sought = [symptom for symptom in SYMPTOMS.values() if symptom.id not in silence]
    readings: dict[str, Reading] = {}
    for done, symptom in enumerate(sought):
        if progress is not None:
            progress(symptom.id, done, len(sought))
        try:
            readings[symptom.id] = symptom.find(case)
        except Exception as error:  # noqa: BLE001 - no diagnosis is lost because of one rule
            first = (str(error).strip().splitlines() or [""])[0]
            why = f"its rule failed ({type(error).__name__}: {first})"
            readings[symptom.id] = Unknown(why=why)
    return readings


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
