"""The page about a run: one HTML file that asks the network for nothing."""

from __future__ import annotations

from typing import Any, Final

from hubel.report.data_view import data_view
from hubel.report.diagnosis_view import diagnosis_view
from hubel.report.headline import Known, headline
from hubel.report.log import passes
from hubel.report.rendering import render
from hubel.report.scores_view import (
    calibration_figure,
    calibration_words,
    class_table,
    confusion_figure,
    confusions,
    mistakes,
    mistakes_title,
    mistakes_words,
    residual_figures,
    residual_gaps,
    unknown_words,
)
from hubel.report.settings_view import provenance_view, settings_view
from hubel.report.training_view import training_view
from hubel.report.view import Gap, command
from hubel.results import Evaluation, ModelCard, Plan, Run

WIDE_FROM: Final = 16
"""Number of classes over which the confusion matrix takes the whole width."""


def render_run(run: Run) -> str:
    """Return the page about `run`, with what its stages have left so far.

    What is missing is said, with the command that makes it. Errors: RunError where a file of the
    run is damaged.
    """
    known = _known(run)
    evaluation, inspection = known.evaluation, known.inspection
    last = known.training or evaluation
    diagnosis = run.diagnosis()
    digests = evaluation or known.training
    return render(
        "run.html.j2",
        title=run.path.resolve().name,
        subject=run.path.resolve().name,
        headline=headline(known),
        training=training_view(known.training, known.card, known.log, known.task),
        diagnosis=diagnosis_view(diagnosis) if diagnosis is not None else None,
        diagnosis_gap=Gap(
            what="The doctor was not asked yet. Causes, evidence and what to change come with:",
            command=command("hubel", "diagnose", run.path),
        ),
        scores=_scores(run, evaluation),
        data=data_view(inspection, {}) if inspection is not None else None,
        data_gap=Gap(
            what="This run holds no inspection of its data. To look at them:",
            command=command("hubel", "data", known.source or "SOURCE"),
        ),
        settings=settings_view(run, known.plan),
        provenance=provenance_view(
            run, (last or digests).provenance if last else None, known.card, known.source
        ),
    )


def _known(run: Run) -> Known:
    """Read everything that the stages left."""
    plan, training = run.plan(), run.training()
    card = run.card() if run.model_file.is_file() else None
    inspection, evaluation = run.inspection(), run.evaluation()
    return Known(
        run=run,
        plan=plan,
        task=_task(card, inspection.task if inspection else None, evaluation),
        model=_model(plan, card, training.model if training else ""),
        source=inspection.source if inspection else evaluation.source if evaluation else "",
        training=training,
        card=card,
        inspection=inspection,
        evaluation=evaluation,
        log=passes(run, training),
    )


def _task(card: ModelCard | None, inspected: str | None, evaluation: Evaluation | None) -> str:
    """Return what kind of answer the network gives."""
    if card is not None:
        return card.task
    if evaluation is not None:
        return evaluation.task
    return inspected or "classification"


def _model(plan: Plan, card: ModelCard | None, trained: str) -> str:
    """Return the name of the network."""
    if trained or card is not None:
        return trained or (card.architecture if card else "")
    try:
        return str(plan["model"])
    except KeyError:
        return ""


def _scores(run: Run, evaluation: Evaluation | None) -> dict[str, Any]:
    """Return what the sections about the evaluation show; empty lists where it was not run."""
    if evaluation is None:
        what = "The network was not evaluated yet. Tables, mistakes and calibration come with:"
        if not run.finished:
            what = "There is nothing to evaluate until the training has ended. Then:"
        gap = Gap(what=what, command=command("hubel", "evaluate", run.path))
        return {"gap": gap, "task": "", "table": None, "confusion": None, "calibration": None}
    calibration, unknown = evaluation.calibration, evaluation.unknown
    return {
        "gap": None,
        "task": evaluation.task,
        "source": evaluation.source,
        "split": evaluation.split,
        "table": class_table(evaluation),
        "confusion": confusion_figure(evaluation),
        "confusions": confusions(evaluation),
        "mistakes": mistakes(evaluation),
        "mistakes_title": mistakes_title(evaluation),
        "mistakes_words": mistakes_words(evaluation),
        "confusion_alone": len(evaluation.confusion) > WIDE_FROM,
        "mistakes_left_out": max(0, len(evaluation.worst) - len(mistakes(evaluation))),
        "calibration": calibration_figure(evaluation, calibration) if calibration else None,
        "calibration_words": calibration_words(calibration) if calibration else (),
        "unknown_words": unknown_words(unknown) if unknown else (),
        "residuals": residual_figures(evaluation),
        "residual_gaps": residual_gaps(evaluation),
    }
