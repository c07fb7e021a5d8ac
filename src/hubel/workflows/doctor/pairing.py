"""Short retrains of a run, with its options or with some of them changed, in temporary folders.

All of them see the run's own split. A retrain is scored on the validation pictures, one by one, by
the weights that `hubel train` would keep.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hubel.data.batching import BatchLoader
from hubel.data.dataset import Dataset
from hubel.data.source import VAL, Source
from hubel.errors import RunError, TrainingError, UsageError
from hubel.options import TrainOptions
from hubel.results import Run, Task
from hubel.tracing.stand_ins import randomness_kept
from hubel.training.budget import Timeline
from hubel.training.checkpoint import BEST, load
from hubel.training.distribution import ALONE
from hubel.training.inference import predict_logits
from hubel.training.loop import Trainer
from hubel.training.settings import settings_of
from hubel.workflows.assembling import VALIDATION_BATCH
from hubel.workflows.checks import check_fresh
from hubel.workflows.keeping import kept_options
from hubel.workflows.locking import RunLock
from hubel.workflows.own_pictures import own_dataset
from hubel.workflows.preparing import begin
from hubel.workflows.session import Session
from hubel.workflows.watching import Watcher

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Original:
    """A run that is trained again, in short."""

    run: Run
    dataset: Dataset
    source: str
    """As the user called it."""
    options: TrainOptions
    """What the user set."""
    passes: int
    """Of the run's plan."""
    pass_s: float
    """Time of a pass of the run; NaN where none was measured."""
    seed: int
    trust_code: bool


def original_of(
    run: Run, source: str | Path | Source | None = None, *, trust_code: bool = False
) -> Original:
    """Return a run with all that is needed to train it again.

    Errors: RunError where files are damaged or the pictures have changed; UsageError where it has
    no validation split.
    """
    settings = settings_of(run.plan())
    named, options = kept_options(run, TrainOptions())
    dataset = own_dataset(run, source)
    if not len(dataset.positions(VAL)):
        raise UsageError(
            f"A treatment is measured on the validation split, but {named} has none: add one, or "
            "let hubel make the splits."
        )
    training = run.training()
    measured = training.rows if training else ()
    return Original(
        run=run,
        dataset=dataset,
        source=named,
        options=options,
        passes=-(-Timeline(settings.steps, settings.revisions).total // settings.steps_per_pass),
        pass_s=measured[-1].seconds / measured[-1].epoch if measured else float("nan"),
        seed=settings.seed,
        trust_code=trust_code,
    )


def short_options(original: Original, seed: int, passes: int) -> TrainOptions:
    """Return the run's options for a retrain of so many passes, on the machinery of the run."""
    settings = settings_of(original.run.plan())
    return replace(
        original.options,
        seed=seed,
        epochs=passes,
        budget=None,
        out=None,
        resume=None,
        device=settings.device,
        precision=settings.precision,
        channels_last=settings.channels_last,
        threads=settings.threads,
        compile="no",
        winograd="no",
        processes=None,
        checkpoint_every="24h",
        doctor=False,
        stop_on=None,
        trust_code=original.trust_code,
    )


def retrain(original: Original, options: TrainOptions) -> Floats:
    """Train with these options on the run's own split; return the validation pictures' scores.

    A training that breaks off because its numbers are not finite is scored as it stands. Global
    random states and PyTorch's threads are left as they were; the folder is removed. Errors:
    UsageError for options that do not fit together; RunError where the code of the network has
    changed.
    """
    check_fresh(options)
    return _scored(original, options, None)


def own_scores(original: Original) -> Floats | None:
    """Return the scores of the validation pictures by the run itself; None if it did not end."""
    training, best = original.run.training(), original.run.checkpoints / BEST
    if training is None or training.ended == "interrupted" or not best.is_file():
        return None
    return _scored(original, short_options(original, original.seed, original.passes), best)


def _scored(original: Original, options: TrainOptions, trained: Path | None) -> Floats:
    """Return scores of a new training, or of one whose best checkpoint is `trained`."""
    threads = torch.get_num_threads()
    try:
        with (
            randomness_kept(),
            tempfile.TemporaryDirectory(prefix="hubel-treat-") as name,
            RunLock() as lock,
            ExitStack() as resources,
        ):
            session = Session(
                watcher=Watcher(), world=ALONE, lock=lock, resources=resources,
                began=time.perf_counter(),
            )  # fmt: skip
            return _trained(original, options, Run(Path(name)), session, trained)
    finally:
        torch.set_num_threads(threads)


def _trained(
    original: Original, options: TrainOptions, run: Run, session: Session, trained: Path | None
) -> Floats:
    dataset, keeper, trainer = begin(
        run, original.dataset.source, options, session, again=True, dataset=original.dataset
    )
    assert keeper is not None, "the only process writes"
    with closing(keeper):
        if run.card().code_digest != original.run.card().code_digest:
            raise RunError(
                f"The code of {options.model} has changed since {original.run.path} was trained: "
                f"the copy in {original.run.code_file} is what it was. Restore it first."
            )
        if trained is None:
            try:
                trainer.train()
            except TrainingError:
                return _scores(trainer, dataset)
        best = load(trained or run.checkpoints / BEST).part("model")
        trainer.evaluated.load_state_dict(best)
        return _scores(trainer, dataset)


def _scores(trainer: Trainer, dataset: Dataset) -> Floats:
    """Return the score of each validation picture, in the order of the split."""
    positions = dataset.positions(VAL)
    loader = BatchLoader(
        dataset.source,
        positions,
        trainer.loader.preprocessing,
        dataset.labels_of(positions),
        batch=VALIDATION_BATCH,
        seed=trainer.settings.seed,
        shuffle=False,
        cache=trainer.loader.cache,
        threads=trainer.loader.threads,
    )
    found = predict_logits(trainer.evaluated, loader, precision=trainer.settings.precision)
    return picture_scores(trainer.settings.task, found.logits, found.targets)


def picture_scores(task: Task, logits: NDArray[np.float32], targets: NDArray[np.generic]) -> Floats:
    """Return one score a picture, (n,), whose mean is the score of the network.

    Classification: 1 for a right answer, else 0; the mean is the accuracy. Several labels: the
    share of the labels that are right at probability 1/2. Numbers: 1 - e² / Var(target), averaged
    over the targets; the mean is R². Answers that are not finite are wrong: 0, for numbers -1.
    """
    finite = np.isfinite(logits).all(axis=1)
    answers, truths = np.nan_to_num(logits.astype(np.float64)), targets.astype(np.float64)
    if task == "classification":
        scores = (answers.argmax(1) == truths).astype(np.float64)
        return np.where(finite, scores, 0.0)
    if task == "multilabel":
        scores = ((answers > 0) == (truths > 0.5)).mean(axis=1)
        return np.where(finite, scores, 0.0)
    variance = truths.var(axis=0)
    errors = (answers - truths) ** 2 / np.where(variance > 0, variance, 1.0)
    return np.where(finite, 1 - errors.mean(axis=1), -1.0)
