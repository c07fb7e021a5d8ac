"""From probabilities to what a person reads: a label, its probability, or "unknown"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.results import Prediction, Task
from hubel.training.intervals import Floats

JOINT = ";"
"""Parts several labels, or several numbers, in one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a network says of one picture."""

    label: str
    probability: float
    unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """What is needed to turn a row of probabilities (or numbers) into an answer."""

    task: Task
    classes: tuple[str, ...]
    unknown_threshold: float
    label_thresholds: tuple[float, ...]
    """Empty but for labels."""

    def answer(self, believed: Floats) -> Answer:
        """Return the answer for one picture; `believed` is (outputs,).

        Classes: the most probable, unknown below the threshold. Labels: all at or above their
        thresholds, unknown where there is none, with the highest probability of any label.
        Numbers: the numbers, with probability NaN.
        """
        if self.task == "regression":
            return Answer(label=numbers_text(believed), probability=math.nan, unknown=False)
        best = int(believed.argmax())
        probability = float(believed[best])
        if self.task == "multilabel":
            present = believed >= np.asarray(self.label_thresholds)
            return Answer(
                label=self._joined(present), probability=probability, unknown=not present.any()
            )
        return Answer(
            label=self.classes[best],
            probability=probability,
            unknown=probability < self.unknown_threshold,
        )

    def truth(self, target: Any) -> str:
        """Return the truth of one picture as text."""
        if self.task == "regression":
            return numbers_text(np.asarray(target))
        if self.task == "multilabel":
            return self._joined(np.asarray(target))
        return self.classes[int(target)]

    def top(self, believed: Floats, count: int) -> tuple[tuple[str, float], ...]:
        """Return the `count` most probable classes, most probable first; all targets of numbers."""
        values = [float(value) for value in believed]
        if self.task == "regression":
            return tuple(zip(self.classes, values, strict=True))
        order = np.argsort(-believed, kind="stable")[:count]
        return tuple((self.classes[position], values[position]) for position in order)

    def prediction(self, path: str, believed: Floats, *, top: int) -> Prediction:
        """Return the answer for the picture at `path`."""
        answer = self.answer(believed)
        return Prediction(
            path=path,
            label=answer.label,
            probability=answer.probability,
            unknown=answer.unknown,
            top=self.top(believed, top),
        )

    def _joined(self, present: Any) -> str:
        return JOINT.join(name for name, there in zip(self.classes, present, strict=True) if there)


def numbers_text(values: Any) -> str:
    """Return numbers with six significant digits, joined by `;`."""
    return JOINT.join(f"{float(value):.6g}" for value in np.atleast_1d(values))


def no_answer(path: str, reason: str) -> Prediction:
    """Return the prediction for a picture that cannot be answered."""
    return Prediction(path=path, label="", probability=math.nan, unknown=True, top=(), error=reason)
