"""The form of the loss: its kind, sign, reduction, shapes, and what stands before it."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.symptom import Symptom

SYMPTOMS: Final[tuple[Symptom, ...]] = ()
