"""Trainings of a second for tests of the doctor, and an illness that can be given to any."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Well
from hubel.results import Severity
from hubel.workflows.watching import Watcher

QUICK: dict[str, Any] = {
    "epochs": 2, "batch": 4, "size": 16, "threads": 1, "precision": "float32",
    "channels_last": False, "model_arguments": ("width=8",),
}  # fmt: skip


class Listen(Watcher):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)

    @property
    def of_the_doctor(self) -> list[str]:
        """What is said about or by the doctor."""
        return [one for one in self.sentences if "octor" in one]


def fall_ill(
    patch: pytest.MonkeyPatch,
    ill: Callable[[Case], bool],
    *,
    severity: Severity = "error",
    name: str = "loss/test",
) -> None:
    """Make a symptom, the only one, that every case has for which `ill` is true."""

    def find(case: Case) -> Reading:
        if not ill(case):
            return Well(evidence="nothing")
        return Sign(
            what="Something is wrong.", evidence="measured 1", confidence=1.0, confirmed=True
        )

    symptom = Symptom(
        id=name, meaning="A test.", tier=0, statistic="none", threshold="none", severity=severity,
        remedy="Mend it.", source="hubel", find=find,
    )  # fmt: skip
    table = MappingProxyType({name: symptom})
    patch.setattr("hubel.diagnosis.examination.SYMPTOMS", table)
    patch.setattr("hubel.diagnosis.causes.SYMPTOMS", table)
