"""The end of a training: the weights that are kept, their evaluation, the report."""

from __future__ import annotations

from typing import Literal

from hubel.data.dataset import Dataset
from hubel.data.source import TEST
from hubel.options import EvaluateOptions, ReportOptions
from hubel.results import Evaluation, Run, Training, mean_waiting_share
from hubel.results.files import write_json
from hubel.training.checkpoint import BEST, load, save_tensors
from hubel.training.loop import Ending, Trainer
from hubel.training.provenance import file_digest, provenance
from hubel.workflows.evaluate import evaluate_dataset
from hubel.workflows.report import write_report
from hubel.workflows.watching import Watcher

SCORE_NAMES: dict[str, Literal["accuracy", "map", "r2"]] = {
    "classification": "accuracy",
    "multilabel": "map",
    "regression": "r2",
}


def finish(run: Run, trainer: Trainer, ending: Ending, dataset: Dataset, watcher: Watcher) -> None:
    """Write the kept weights, evaluate them on the test split, and write the report."""
    best = load(run.checkpoints / BEST)
    save_tensors(run.weights_file, best.tensors)
    evaluation = _evaluate(run, dataset, EvaluateOptions(device=trainer.settings.device))
    write_json(run.stage_file("train"), _training(run, trainer, ending, dataset, evaluation))
    if evaluation is not None:
        watcher.evaluated(evaluation)
    write_report(run, options=ReportOptions())


def _evaluate(run: Run, dataset: Dataset, options: EvaluateOptions) -> Evaluation | None:
    """Evaluate on the test split; None where it holds no picture."""
    if not len(dataset.positions(TEST)):
        return None
    return evaluate_dataset(run, dataset, options)


def _training(
    run: Run, trainer: Trainer, ending: Ending, dataset: Dataset, evaluation: Evaluation | None
) -> Training:
    settings, progress = trainer.settings, trainer.progress
    return Training(
        model=settings.model,
        params=sum(weight.numel() for weight in trainer.module.parameters()),
        epochs=-(-progress.step // settings.steps_per_pass),
        steps=progress.step,
        seconds=progress.seconds,
        best_epoch=progress.best_epoch,
        best_val_score=progress.best_score,
        score_name=SCORE_NAMES[settings.task],
        ended=ending,
        rows=tuple(progress.rows),
        waiting_share=mean_waiting_share(progress.rows),
        test=evaluation.test if evaluation else {},
        provenance=provenance(
            seed=settings.seed,
            data_digest=dataset.inspection.digest,
            model_digest=file_digest(run.weights_file),
            threads=settings.threads,
        ),
    )
