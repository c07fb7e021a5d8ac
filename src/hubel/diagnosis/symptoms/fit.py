"""Fitting: too little, too much, not at all."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.symptom import Symptom

SYMPTOMS: Final[tuple[Symptom, ...]] = ()
