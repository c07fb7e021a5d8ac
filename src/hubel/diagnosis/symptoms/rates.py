"""The learning rate and what holds updates back: too high, too low, clipped."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.symptom import Symptom

SYMPTOMS: Final[tuple[Symptom, ...]] = ()
