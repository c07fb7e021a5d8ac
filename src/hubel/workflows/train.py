"""From pictures to a trained, evaluated, reported network; the public function `train`."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hubel.architectures import choose_size
from hubel.data.dataset import Dataset
from hubel.data.integrity import inspect_source
from hubel.data.manifest import write_manifest
from hubel.data.opening import open_source
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import TRAIN, Source
from hubel.errors import UsageError, memory_ran_out
from hubel.options import TrainOptions
from hubel.options.gathering import gather_options
from hubel.results import Inspection, ModelCard, Plan, Run
from hubel.results.files import write_bytes, write_json
from hubel.training.body import head_of
from hubel.training.halving import half
from hubel.training.hardware import Arithmetic, choose_arithmetic
from hubel.training.logs import CsvLog, TensorBoardLog
from hubel.training.nonfinite import NonFiniteLog
from hubel.training.planning import (
    Facts,
    choose_freezing,
    choose_steps,
    choose_strength,
    draft_settings,
)
from hubel.training.settings import ChosenBy, Draft
from hubel.workflows.assembling import Network, build_network, build_trainer, card_of
from hubel.workflows.budgeting import Recorder, steps_for_budget
from hubel.workflows.checking import check_before
from hubel.workflows.checks import check_fresh, check_source, check_validated
from hubel.workflows.finishing import finish
from hubel.workflows.folders import new_run_folder
from hubel.workflows.interrupts import graceful
from hubel.workflows.keeping import options_toml
from hubel.workflows.resuming import resume
from hubel.workflows.trainable import require_labels, require_trainable
from hubel.workflows.transfer import Start, like_run, published_of, run_of, start_of, take_weights
from hubel.workflows.watching import Watcher


def train(
    source: str | Path | Source | None = None,
    *,
    options: TrainOptions | None = None,
    watcher: Watcher | None = None,
    **settings: Any,
) -> Run:
    """Train a network on a source of pictures, evaluate it, write the report, return the run.

    `source` is what `hubel train` takes, or a `hubel.data.Source`; `settings` are the fields of
    `hubel.options.TrainOptions`, or `options` holds them all. With `resume=RUN` an interrupted run
    goes on to the same bits; with `epochs=N` beside it, to N passes.

    Errors: UsageError for options that do not fit, SourceError and LeakError for the pictures,
    RunError for the folder, TrainingError for the training, Interrupted after Ctrl-C.
    """
    began = time.perf_counter()
    options = gather_options(TrainOptions, options, settings)
    watcher = watcher or Watcher()
    threads = torch.get_num_threads()
    try:
        if options.resume is not None:
            return resume(options, source, watcher)
        if source is None:
            raise UsageError("train needs a SOURCE: a folder of pictures, a table, or digits.")
        return _train_new(source, options, watcher, began)
    finally:
        torch.set_num_threads(threads)


def _train_new(
    source: str | Path | Source, options: TrainOptions, watcher: Watcher, began: float
) -> Run:
    check_fresh(options)
    opened = open_source(source)
    require_labels(opened)
    base = run_of(options.model)
    asked, options = options, like_run(options, base) if base else options
    check_source(options, opened)
    start = start_of(base) if base else published_of(options)
    run = Run(new_run_folder(options.out, opened.name, asked.model))
    try:
        dataset = inspect_source(
            opened, seed=options.seed, threads=options.threads, progress=watcher.scanning
        )
        watcher.inspected(dataset.inspection)
        require_trainable(dataset, allow_leaks=options.allow_leaks)
        draft = draft_settings(options, _facts(options, opened, dataset, start))
        check_validated(draft["schedule"], dataset)
        preprocessing = _measure(options, dataset, draft, start)
        values = {name: choice.value for name, choice in draft.choices.items()}
        network = build_network(
            values,
            trust_code=base is None or options.trust_code,
            pretrained=options.pretrained,
            weights=options.weights,
        )
        notes = list(network.loaded.notes)
        fresh = network.fresh
        if base is not None:
            note, fresh = take_weights(network.module, base, trust_code=options.trust_code)
            notes.append(note)
        head = head_of(network.module, draft["outputs"], fresh) if start else ()
        _choose_measured(options, draft, network, dataset, preprocessing, run, began, head)
        settings, plan = draft.freeze()
        trainer = build_trainer(settings, network.module, dataset, preprocessing, run)
    except BaseException:
        _remove_if_empty(run.path)
        raise
    write_bytes(run.options_file, options_toml(settings.source, asked))
    # Before the plan, so that whatever is a run can be resumed.
    trainer.save_checkpoint()
    _write_start(run, dataset, network, plan, card_of(settings, network, dataset, preprocessing))
    watcher.planned(run, plan)
    check_before(run, network, settings, watcher)
    for note in notes:
        watcher.said(note)
    records = (Recorder(run), NonFiniteLog(run))
    trainer.observers = (*records, CsvLog(run), TensorBoardLog(run), watcher)
    with graceful(trainer.ask_to_stop):
        ending = trainer.train()
    finish(run, trainer, ending, dataset, watcher)
    return run


def _write_start(run: Run, dataset: Dataset, network: Network, plan: Plan, card: ModelCard) -> None:
    """Write what is known before the first step; the plan last, since it makes the run a run."""
    write_json(run.stage_file("data"), dataset.inspection)
    write_manifest(run.manifest_file, dataset)
    if network.loaded.code_text:
        write_bytes(run.code_file, network.loaded.code_text.encode())
    write_json(run.model_file, card)
    write_json(run.plan_file, plan)


def _facts(options: TrainOptions, source: Source, dataset: Dataset, start: Start | None) -> Facts:
    """Gather what the settings depend on."""
    inspection = dataset.inspection
    median = inspection.short_sides.median
    size, reason = options.size, "set by you"
    if size is None and start is not None:
        size, reason = start.reading.size, f"{start.origin} was trained at this size"
    elif size is None:
        size = choose_size(options.model, median)
        reason = f"the pictures' median short side is {median:g}, within what the network takes"
    return Facts(
        source=str(source.name),
        task=source.index.task,
        outputs=len(source.index.classes),
        channels=_channels(options, inspection),
        size=size,
        size_reason=reason,
        train_pictures=len(dataset.positions(TRAIN)),
        pretrained=start.origin if start and start.published else "",
    )


def _channels(options: TrainOptions, inspection: Inspection) -> int:
    grey = options.colour == "grey" or (options.colour == "auto" and inspection.grey)
    return 1 if grey else 3


def _measure(
    options: TrainOptions, dataset: Dataset, draft: Draft, start: Start | None
) -> Preprocessing:
    """Make the preprocessing object of the run and record its channels."""
    preprocessing = Preprocessing.measure(
        options,
        dataset.source,
        dataset.positions(TRAIN),
        size=draft["size"],
        grey=dataset.inspection.grey,
        threads=options.threads,
        reading=start.reading if start else None,
    )
    draft.choose("channels", preprocessing.channels, "hubel", "colours of the pictures")
    return preprocessing


def _choose_measured(
    options: TrainOptions,
    draft: Draft,
    network: Network,
    dataset: Dataset,
    preprocessing: Preprocessing,
    run: Run,
    began: float,
    head: tuple[str, ...],
) -> None:
    """Choose arithmetic by timing, and the number of steps from passes or budget."""
    # The network may add arguments of its own, as LeNet-5 does for numbers.
    draft.choices["model_arguments"] = replace(
        draft.choices["model_arguments"], value=dict(network.loaded.arguments)
    )
    arithmetic = _arithmetic(options, draft, network, min(draft["batch"], 64))
    torch.set_num_threads(arithmetic.threads)
    for name in ("precision", "channels_last", "threads"):
        by: ChosenBy = "user" if getattr(options, name) is not None else "hubel"
        draft.choose(name, getattr(arithmetic, name), by, arithmetic.reason)
    choose_steps(draft, None, "")
    choose_strength(draft, options.augment_strength)
    choose_freezing(draft, options, head)
    if options.budget is not None:
        steps, reason, training_s = steps_for_budget(
            options.budget, draft, network, dataset, preprocessing, run, began
        )
        choose_steps(draft, steps, reason, training_s)
        choose_strength(draft, options.augment_strength)
        choose_freezing(draft, options, head)


def _arithmetic(options: TrainOptions, draft: Draft, network: Network, pictures: int) -> Arithmetic:
    """Choose arithmetic with so many pictures, or as many of them as memory holds."""
    while True:
        shape = (pictures, draft["channels"], draft["size"], draft["size"])
        try:
            return choose_arithmetic(
                network.module,
                torch.zeros(shape),
                precision=options.precision,
                channels_last=options.channels_last,
                threads=options.threads,
            )
        except Exception as error:
            if pictures == 1 or not memory_ran_out(error):
                raise
        # Only here, after the block, has the error let go of the tensors it came from.
        gc.collect()
        pictures = half(pictures)


def _remove_if_empty(folder: Path) -> None:
    """Take a run folder away in which nothing was written."""
    try:
        folder.rmdir()
    except OSError:
        return
