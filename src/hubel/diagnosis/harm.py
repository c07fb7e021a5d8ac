"""Whether a training suffers: the effect that makes an alarm of a suspicious statistic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel.diagnosis.evidence.record import Record
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """How well a training went. NaN where not known."""

    suffers: bool
    evidence: str
    """Why, with numbers."""
    train_accuracy: float
    """Of the last tenth of the steps, on the pictures as trained on."""
    val_accuracy: float
    """Of the last evaluation on validation, in evaluation mode."""
    chance: float
    """Share of the most frequent label."""
    reference: float
    """Accuracy of a simple classifier on the same pictures, held out."""


def harm_of(record: Record, reference: Trial | Unknown) -> Harm:
    """Return whether the training learns less than a simple classifier does, or nothing at all."""
    tail = record.steps[-max(len(record.steps) // 10, 1) :]
    known = [(row.accuracy, row.pictures) for row in tail if not math.isnan(row.accuracy)]
    pictures = sum(number for _, number in known)
    train = sum(share * number for share, number in known) / pictures if pictures else math.nan
    validated = [row for row in record.evaluations if (row.split, row.mode) == ("val", "eval")]
    val = validated[-1].accuracy if validated else math.nan
    labels = [label for row in record.batches if row.split == "train" for label in row.labels]
    chance = max(map(labels.count, set(labels))) / len(labels) if labels else math.nan
    simple = reference.measured["accuracy"] if isinstance(reference, Trial) else math.nan
    reached = train if math.isnan(val) else val
    error = math.sqrt(max(simple * (1 - simple), 0.0) / max(pictures, 1))
    below = reached < simple - 2 * error
    nothing = train < chance + 3 * math.sqrt(chance * (1 - chance) / max(pictures, 1))
    words = f"accuracy {reached:.1%}; chance {chance:.1%}; a simple classifier {simple:.1%}"
    return Harm(
        suffers=bool(below or nothing),
        evidence=words,
        train_accuracy=train,
        val_accuracy=val,
        chance=chance,
        reference=simple,
    )
