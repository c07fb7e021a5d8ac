"""How good a trained network is; the public function `evaluate`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hubel.data.batching import BatchLoader
from hubel.data.dataset import Dataset
from hubel.data.integrity import inspect_source
from hubel.data.manifest import read_manifest
from hubel.data.opening import open_source
from hubel.data.source import SPLITS, TRAIN, UNSPLIT, VAL, Source
from hubel.errors import UsageError
from hubel.options import EvaluateOptions
from hubel.options.gathering import gather_options
from hubel.results import Calibrated, Evaluation, Run
from hubel.results.files import write_json
from hubel.training.calibration import DEFAULT_ERROR, fit_calibration
from hubel.training.evaluation import Judged, judge, predict_logits
from hubel.training.evaluation import evaluate as measure
from hubel.training.hardware.devices import choose_device
from hubel.training.hardware.heap import keep_heap
from hubel.training.inference import Outputs, Progress, arithmetic_threads
from hubel.training.provenance import provenance
from hubel.training.trained import Trained, load_trained
from hubel.workflows.matching import targets_for
from hubel.workflows.own_pictures import check_same, is_own, own_dataset, planned
from hubel.workflows.predictions_csv import write_evaluated


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Subject:
    """What is evaluated: a network on pictures with truths."""

    run: Run
    trained: Trained
    dataset: Dataset
    targets: NDArray[Any]
    """What the network should answer for each picture of the source's index."""
    own: bool
    """Whether these are the pictures that the run was trained on."""
    options: EvaluateOptions
    progress: Progress | None
    started: float


def evaluate(
    run: Run | str | Path,
    source: str | Path | Source | None = None,
    *,
    options: EvaluateOptions | None = None,
    scanning: Progress | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Evaluation:
    """Measure a trained network on a split of its own pictures, or on another source.

    `settings` are the fields of `hubel.options.EvaluateOptions`, or `options` holds them all.
    Writes `evaluate.json` and `predictions.csv` into the run folder and, on the run's own pictures,
    `calibration.json`: temperature and thresholds fitted on the validation split. On another source
    classes are matched by name, and the run's calibration is used as it is. `scanning` and
    `progress` are called with pictures looked at, and batches done, of how many.

    Errors: UsageError for options or labels that do not fit, RunError for a damaged run and for
    pictures that have changed since training, naming what changed.
    """
    started = time.perf_counter()
    options = gather_options(EvaluateOptions, options, settings)
    _check(options)
    keep_heap()
    device = choose_device(options.device)
    run = run if isinstance(run, Run) else Run.open(run)
    with arithmetic_threads(options.threads):
        trained = load_trained(run, trust_code=options.trust_code)
        trained.module.to(device)
        if source is None:
            own, dataset = True, own_dataset(run, threads=options.threads, progress=scanning)
        else:
            opened = open_source(source)
            targets_for(trained.card, opened)  # refuse labels that do not fit before a long scan
            own = is_own(run, opened)
            dataset = inspect_source(
                opened, seed=planned(run, "seed"), threads=options.threads, progress=scanning
            )
            if own:
                check_same(run, dataset)
        subject = _Subject(
            run=run,
            trained=trained,
            dataset=dataset,
            targets=targets_for(trained.card, dataset.source),
            own=own,
            options=options,
            progress=progress,
            started=started,
        )
        return _evaluate(subject)


def evaluate_dataset(
    run: Run,
    dataset: Dataset,
    options: EvaluateOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a network on the pictures that it has just been trained on, opened already.

    As `evaluate` with the run's own source. The Python file of the network may run: it just did.
    """
    started = time.perf_counter()
    options = options or EvaluateOptions()
    _check(options)
    with arithmetic_threads(options.threads):
        trained = load_trained(run, trust_code=True)
        trained.module.to(choose_device(options.device))
        return _evaluate(
            _Subject(
                run=run,
                trained=trained,
                dataset=dataset,
                targets=targets_for(trained.card, dataset.source),
                own=True,
                options=options,
                progress=progress,
                started=started,
            )
        )


def _check(options: EvaluateOptions) -> None:
    """Raise UsageError for a number outside its range."""
    wanted = options.unknown_error
    if wanted is not None and not 0 < wanted < 1:
        raise UsageError(f"--unknown-error is a rate between 0 and 1, not {wanted}.")
    for name, least in (("worst", 0), ("batch", 1), ("threads", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UsageError(f"--{name} takes a number {least} or more, not {value}.")


def _evaluate(subject: _Subject) -> Evaluation:
    """Calibrate, measure, and write what was found."""
    trained, dataset = subject.trained, subject.dataset
    split, positions = _positions(subject)
    wanted_error = _wanted_error(subject)
    outputs, validation = _outputs(subject, positions)
    calibrated = trained.calibrated
    if subject.own:
        calibrated = fit_calibration(
            trained.card.task,
            validation,
            fitted_on=SPLITS[VAL],
            model_digest=trained.model_digest,
            wanted_error=wanted_error,
            labels=len(trained.card.classes),
        )
    judged = judge(
        outputs,
        task=trained.card.task,
        classes=trained.card.classes,
        calibrated=calibrated,
        source=dataset.source,
    )
    return _written(subject, judged, split)


def _written(subject: _Subject, judged: Judged, split: str) -> Evaluation:
    """Measure what was judged, write the run's files, and return the evaluation."""
    run, dataset = subject.run, subject.dataset
    seed = planned(run, "seed")
    evaluation = measure(
        judged,
        source=dataset.source,
        undecodable=dataset.inspection.undecodable,
        split=split,
        seen_in_training=_seen_in_training(subject, judged.outputs.positions),
        worst=subject.options.worst,
        seed=seed,
        started=subject.started,
        provenance=provenance(
            seed=seed,
            data_digest=dataset.inspection.digest,
            model_digest=subject.trained.model_digest,
            threads=torch.get_num_threads(),
        ),
    )
    if subject.own:
        write_json(run.calibration_file, judged.calibrated)
    splits = dataset.splits if subject.own or _has_splits(dataset.source) else None
    write_evaluated(run.predictions_file, judged, dataset.source, splits)
    write_json(run.stage_file("evaluate"), evaluation)
    return evaluation


def _seen_in_training(subject: _Subject, positions: NDArray[np.int64]) -> int:
    """Return how many of the pictures show, pixel for pixel, one of the run's training split."""
    if not subject.run.manifest_file.is_file():
        return 0
    manifest = read_manifest(subject.run.manifest_file)
    trained = {entry.sha256 for entry in manifest.values() if entry.split == SPLITS[TRAIN]}
    digests = subject.dataset.digests[positions]
    return sum(digest.tobytes().hex() in trained for digest in digests)


def _has_splits(source: Source) -> bool:
    """Whether the source itself says which pictures are for training, validation and test."""
    return bool((source.index.splits != UNSPLIT).any())


def _positions(subject: _Subject) -> tuple[str, NDArray[np.int64]]:
    """Return the name of the split and its pictures; UsageError where it holds none."""
    dataset, split = subject.dataset, subject.options.split
    if split == "all" or not (subject.own or _has_splits(dataset.source)):
        split, positions = "all", dataset.usable
    else:
        positions = dataset.positions(SPLITS.index(split))
    if len(positions) == 0:
        held = ", ".join(name for place, name in enumerate(SPLITS) if len(dataset.positions(place)))
        raise UsageError(
            f"The {split} split of {dataset.source.name} holds no picture that can be decoded; "
            f"splits with pictures: {held or 'none'}. Choose one with --split."
        )
    return split, positions


def _wanted_error(subject: _Subject) -> float:
    """Return the wanted error rate; UsageError where one was set and cannot be had."""
    wanted, calibrated = subject.options.unknown_error, subject.trained.calibrated
    if wanted is None:
        return calibrated.wanted_error if calibrated.fitted_on else DEFAULT_ERROR
    if subject.trained.card.task != "classification":
        raise UsageError(
            f"--unknown-error needs a network that answers with one class a picture; "
            f"{subject.run.path} is made for {subject.trained.card.task}: leave it out."
        )
    if subject.own and len(subject.dataset.positions(VAL)) == 0:
        raise UsageError(
            f"--unknown-error is fitted on a validation split, but {subject.dataset.source.name} "
            "has none: leave it out."
        )
    if not subject.own and not _fitted_for(calibrated, wanted):
        raise UsageError(
            f"--unknown-error {wanted:g} does not fit another source: the run's threshold was "
            f"fitted to {calibrated.wanted_error:g} on its own validation split. First: "
            f"hubel evaluate {subject.run.path} --unknown-error {wanted:g}"
        )
    return wanted


def _fitted_for(calibrated: Calibrated, wanted: float) -> bool:
    return bool(calibrated.fitted_on) and calibrated.wanted_error == wanted


def _outputs(subject: _Subject, positions: NDArray[np.int64]) -> tuple[Outputs, Outputs | None]:
    """Return the outputs for these pictures and, on the run's own, for the validation split."""
    outputs = _through(subject, positions)
    if not subject.own or subject.trained.card.task == "regression":
        return outputs, None
    validation = subject.dataset.positions(VAL)
    shared = np.isin(outputs.positions, validation)
    if int(shared.sum()) == len(validation):
        return outputs, _some(outputs, shared)
    return outputs, _through(subject, validation)


def _through(subject: _Subject, positions: NDArray[np.int64]) -> Outputs:
    """Send pictures through the network."""
    trained, options = subject.trained, subject.options
    loader = BatchLoader(
        subject.dataset.source,
        positions,
        trained.preprocessing,
        subject.targets[positions],
        batch=options.batch,
        seed=0,
        shuffle=False,
        threads=options.threads,
    )
    return predict_logits(
        trained.module, loader, mirror=trained.card.mirror_tta, progress=subject.progress
    )


def _some(outputs: Outputs, chosen: NDArray[np.bool_]) -> Outputs:
    """Return the outputs of some of the pictures."""
    return Outputs(
        logits=outputs.logits[chosen],
        targets=outputs.targets[chosen],
        positions=outputs.positions[chosen],
    )
