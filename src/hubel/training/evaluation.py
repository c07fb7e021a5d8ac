"""From a network's outputs to everything that `evaluate.json` says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.data.source import Source
from hubel.data.thumbnails import thumbnail
from hubel.errors import PictureError, RunError
from hubel.results import (
    Calibrated,
    Calibration,
    ClassScore,
    Evaluation,
    Metric,
    Mistake,
    Provenance,
    ResidualSummary,
    Task,
    UnknownRule,
)
from hubel.training.answers import Interpreter
from hubel.training.calibration import (
    calibration_error_metric,
    expected_calibration_error,
    reliability,
)
from hubel.training.inference import Outputs, predict_logits, quick_score
from hubel.training.intervals import Floats
from hubel.training.label_metrics import label_metrics, label_scores
from hubel.training.metrics import (
    class_scores,
    classification_metrics,
    confusion,
    most_confused,
    picture_losses,
    probabilities,
)
from hubel.training.number_metrics import number_metrics, residuals

__all__ = ["Judged", "Outputs", "evaluate", "judge", "predict_logits", "quick_score"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Outputs of a network with what follows from them picture by picture."""

    outputs: Outputs
    interpreter: Interpreter
    calibrated: Calibrated
    believed: Floats
    """Calibrated probabilities, or numbers; (pictures, outputs)."""
    losses: Floats
    """Loss of each picture, without temperature; (pictures,)."""


def judge(
    outputs: Outputs,
    *,
    task: Task,
    classes: tuple[str, ...],
    calibrated: Calibrated,
    source: Source,
) -> Judged:
    """Turn outputs into probabilities and losses.

    Errors: RunError where an output is not a finite number; it names the first such picture.
    """
    broken = np.flatnonzero(~np.isfinite(outputs.logits).all(axis=1))
    if len(broken):
        first = source.index.keys[int(outputs.positions[broken[0]])]
        raise RunError(
            f"The network gives no finite number for {len(broken):,} of "
            f"{len(outputs.logits):,} pictures (the first is {first}): its training went astray; "
            "train again with a lower --lr."
        )
    return Judged(
        outputs=outputs,
        interpreter=Interpreter(
            task=task,
            classes=classes,
            unknown_threshold=calibrated.unknown_threshold,
            label_thresholds=calibrated.label_thresholds,
        ),
        calibrated=calibrated,
        believed=probabilities(task, outputs.logits, calibrated.temperature),
        losses=picture_losses(task, outputs.logits, outputs.targets),
    )


def evaluate(
    judged: Judged,
    *,
    source: Source,
    undecodable: tuple[str, ...],
    split: str,
    seen_in_training: int,
    worst: int,
    seed: int,
    started: float,
    provenance: Provenance,
) -> Evaluation:
    """Measure how good a network is on the pictures of `judged`.

    `worst` pictures with the highest loss are listed with thumbnails; `seed` draws the bootstrap's
    resamples and the residual points; `started` is when the work began, by time.perf_counter.
    """
    task, classes = judged.interpreter.task, judged.interpreter.classes
    answers = judged.outputs.logits.argmax(axis=1)
    matrix = (
        confusion(judged.outputs.targets, answers, len(classes)) if task == "classification" else ()
    )
    return Evaluation(
        source=source.name,
        split=split,
        task=task,
        pictures=len(judged.losses),
        seen_in_training=seen_in_training,
        undecodable=undecodable,
        classes=classes,
        test=metrics(judged, seed=seed),
        per_class=_per_class(judged),
        confusion=matrix,
        most_confused=most_confused(matrix, classes),
        calibration=_calibration(judged),
        unknown=_unknown(judged),
        worst=_worst(judged, source, worst),
        residuals=_residuals(judged, seed),
        provenance=provenance,
        seconds=time.perf_counter() - started,
    )


def metrics(judged: Judged, *, seed: int) -> dict[str, Metric]:
    """Return the task's metrics with their 95% intervals; see the file of each task.

    Classes have `ece` too: the expected calibration error of the calibrated probabilities.
    """
    outputs, task = judged.outputs, judged.interpreter.task
    if task == "classification":
        confidence, right = _answers(judged)
        found = classification_metrics(outputs.logits, outputs.targets, seed=seed)
        return found | {"ece": calibration_error_metric(confidence, right, seed=seed)}
    if task == "multilabel":
        thresholds = judged.interpreter.label_thresholds
        return label_metrics(judged.believed, outputs.targets, judged.losses, thresholds, seed=seed)
    truth = np.asarray(outputs.targets, dtype=np.float64)
    return number_metrics(judged.believed, truth, judged.interpreter.classes, seed=seed)


def _answers(judged: Judged) -> tuple[Floats, Any]:
    """Return the calibrated probability of each answer, and whether it is right."""
    right = judged.outputs.logits.argmax(axis=1) == judged.outputs.targets
    return judged.believed.max(axis=1), right


def _per_class(judged: Judged) -> tuple[ClassScore, ...]:
    outputs, interpreter = judged.outputs, judged.interpreter
    if interpreter.task == "classification":
        answers = outputs.logits.argmax(axis=1)
        return class_scores(outputs.targets, answers, interpreter.classes)
    if interpreter.task == "multilabel":
        return label_scores(
            judged.believed, outputs.targets, interpreter.label_thresholds, interpreter.classes
        )
    return ()


def _calibration(judged: Judged) -> Calibration | None:
    """Reliability before and after temperature scaling; None for numbers.

    For labels, an event is a pair of picture and label, its probability that of being present.
    """
    task, outputs = judged.interpreter.task, judged.outputs
    if task == "regression":
        return None
    before = probabilities(task, outputs.logits)
    if task == "multilabel":
        right = np.asarray(outputs.targets).ravel()
        bins_before = reliability(before.ravel(), right)
        bins_after = reliability(judged.believed.ravel(), right)
    else:
        confidence, right = _answers(judged)
        bins_before = reliability(before.max(axis=1), right)
        bins_after = reliability(confidence, right)
    return Calibration(
        temperature=judged.calibrated.temperature,
        fitted_on=judged.calibrated.fitted_on,
        ece_before=expected_calibration_error(bins_before),
        ece_after=expected_calibration_error(bins_after),
        bins_before=bins_before,
        bins_after=bins_after,
    )


def _unknown(judged: Judged) -> UnknownRule | None:
    """Return what "unknown" does here; None but for classes, and where nothing was fitted."""
    calibrated = judged.calibrated
    if judged.interpreter.task != "classification" or not calibrated.fitted_on:
        return None
    confidence, right = _answers(judged)
    answered = confidence >= calibrated.unknown_threshold
    return UnknownRule(
        wanted_error=calibrated.wanted_error,
        threshold=calibrated.unknown_threshold,
        fitted_on=calibrated.fitted_on,
        answered_share=float(answered.mean()) if len(answered) else float("nan"),
        error_among_answered=float(1 - right[answered].mean()) if answered.any() else float("nan"),
    )


def _worst(judged: Judged, source: Source, count: int) -> tuple[Mistake, ...]:
    """Return the pictures with the highest loss, highest first."""
    order = np.argsort(-judged.losses, kind="stable")[:count]
    return tuple(_mistake(judged, source, int(row)) for row in order)


def _mistake(judged: Judged, source: Source, row: int) -> Mistake:
    position = int(judged.outputs.positions[row])
    answer = judged.interpreter.answer(judged.believed[row])
    return Mistake(
        key=source.index.keys[position],
        path=source.location(position),
        truth=judged.interpreter.truth(judged.outputs.targets[row]),
        answer=answer.label,
        probability=answer.probability,
        loss=float(judged.losses[row]),
        thumbnail=_picture(source, position),
    )


def _picture(source: Source, position: int) -> str:
    """Return a picture's thumbnail; empty where it can no longer be read."""
    try:
        return thumbnail(source.read(position))
    except PictureError:
        return ""


def _residuals(judged: Judged, seed: int) -> tuple[ResidualSummary, ...]:
    if judged.interpreter.task != "regression":
        return ()
    truth = np.asarray(judged.outputs.targets, dtype=np.float64)
    return residuals(judged.believed, truth, judged.interpreter.classes, seed=seed)
