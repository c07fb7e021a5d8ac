"""The examination: every rule reads the case, and what they say becomes one diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from hubel.diagnosis.brings_about import EFFECTS
from hubel.diagnosis.case import Case
from hubel.diagnosis.causes import combined, doubtful, explained_by, likeliest, ranked
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
    if not alarms:
        alarms = likeliest(readings, case.harm.evidence)
        readings |= alarms
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
    """Ask every rule that is not silenced, the certain tier first.

    A rule that fails is not answered, and ends nothing. What a certain fault brings about is not
    tested, only read: tests are made on suspicion, and there it has its reason.
    """
    sought = [symptom for symptom in SYMPTOMS.values() if symptom.id not in silence]
    readings: dict[str, Reading] = {}
    explained: dict[str, Case] = {}
    for done, symptom in enumerate(sorted(sought, key=lambda one: one.tier)):
        if progress is not None:
            progress(symptom.id, done, len(sought))
        reading = _read(symptom, explained.get(symptom.id, case))
        readings[symptom.id] = reading
        tested = case.subject is not None and symptom.tier == 0
        if tested and isinstance(reading, Sign) and _is_certain(symptom, reading):
            spared = case.sparing(f"it is not tested, since {symptom.id} brings it about")
            for name in explained_by(symptom.id):
                explained.setdefault(name, spared)
    return {symptom.id: readings[symptom.id] for symptom in sought}


def _is_certain(symptom: Symptom, sign: Sign) -> bool:
    return sign.confirmed and sign.confidence >= 1.0 and symptom.id not in EFFECTS


def _read(symptom: Symptom, case: Case) -> Reading:
    try:
        return symptom.find(case)
    except Exception as error:  # noqa: BLE001 - no diagnosis is lost because of one rule
        first = (str(error).strip().splitlines() or [""])[0]
        return Unknown(why=f"its rule failed ({type(error).__name__}: {first})")


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
