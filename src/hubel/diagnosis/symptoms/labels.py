"""Labels: shuffled, noisy, unbalanced, missing."""

from __future__ import annotations

from typing import Final

from hubel.diagnosis.symptom import Symptom

SYMPTOMS: Final[tuple[Symptom, ...]] = ()
