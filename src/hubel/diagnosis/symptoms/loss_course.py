"""The course of the loss: its start, fall, swings, and numbers that are not finite."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.symptom import Symptom

SYMPTOMS: Final[tuple[Symptom, ...]] = ()
