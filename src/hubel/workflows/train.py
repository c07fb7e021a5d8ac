"""From pictures to a trained, evaluated, reported network; the public function `train`."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from hubel.data.opening import open_source
from hubel.data.source import Source
from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.options.gathering import gather_options
from hubel.results import Run
from hubel.training.distribution import joined
from hubel.training.hardware.heap import keep_heap
from hubel.training.launched import Launched
from hubel.workflows.checks import (
    check_fresh,
    check_ranges,
    check_source,
    require_no_run,
)
from hubel.workflows.folders import new_run_folder, require_empty
from hubel.workflows.going_on import go_on
from hubel.workflows.keeping import has_not_begun, kept_options
from hubel.workflows.launching import launch, processes_of
from hubel.workflows.locking import LOCK, RunLock
from hubel.workflows.preparing import begin
from hubel.workflows.relaunching import again, require_fitting, require_seen
from hubel.workflows.resuming import resume
from hubel.workflows.session import Session
from hubel.workflows.trainable import require_labels
from hubel.workflows.transfer import like_run, run_of
from hubel.workflows.watching import Watcher


def train(
    source: str | Path | Source | None = None,
    *,
    options: TrainOptions | None = None,
    watcher: Watcher | None = None,
    began: float | None = None,
    **settings: Any,
) -> Run:
    """Train a network on a source of pictures, evaluate it, write the report, return the run.

    `source` is what `hubel train` takes, or a `hubel.data.Source`; `settings` are the fields of
    `hubel.options.TrainOptions`, or `options` holds them all. With `resume=RUN` an interrupted run
    goes on to the same bits; with `epochs=N` beside it, to N passes. A budget counts from `began`,
    a reading of `time.perf_counter`: None is now.

    Errors: UsageError for options that do not fit, SourceError and LeakError for the pictures,
    RunError for the folder, TrainingError for the training, Interrupted after Ctrl-C.
    """
    began = time.perf_counter() if began is None else began
    options = gather_options(TrainOptions, options, settings)
    check_ranges(options)
    launched = Launched.read()
    if not launched.by_torch and processes_of(options) > 1:
        return launch(source, options, quiet=watcher is None)
    threads = torch.get_num_threads()
    keep_heap()
    try:
        with joined(launched) as world, RunLock() as lock, ExitStack() as resources:
            require_fitting(options, world)
            session = Session(
                watcher=(watcher or Watcher()) if world.is_writer else Watcher(),
                world=world,
                lock=lock,
                resources=resources,
                began=began,
            )
            return _train(source, options, session)
    finally:
        torch.set_num_threads(threads)


def _train(source: str | Path | Source | None, options: TrainOptions, session: Session) -> Run:
    """Go on with what this launch has begun before, with the run that is named, or train anew."""
    begun = again(options, session.watcher, session.world)
    if isinstance(begun, Run):
        return begun
    if begun.resume is None:
        return _train_new(source, begun, session)
    run = Run(begun.resume)
    if session.world.first(lambda: has_not_begun(run)):
        return _begin_again(source, begun, run, session)
    return resume(begun, source, session)


def _train_new(source: str | Path | Source | None, options: TrainOptions, session: Session) -> Run:
    """Train in a folder of its own, which is taken away again if there is nothing to keep."""
    if source is None:
        raise UsageError("train needs a SOURCE: a folder of pictures, a table, or digits.")
    check_fresh(options)
    opened = _opened(source, options)
    world = session.world

    def make_folder() -> Path:
        folder = new_run_folder(options.out, opened.name, options.model)
        session.lock.take(folder)
        require_empty(folder)
        return folder

    run = Run(world.first(make_folder))
    world.note_run(run.path)
    try:
        require_seen(run.path, world)
        dataset, keeper, trainer = begin(run, opened, options, session)
    except BaseException:
        if world.is_writer and not run.plan_file.is_file():
            _remove(run)
        raise
    return go_on(run, dataset, keeper, trainer, session, options)


def _begin_again(
    source: str | Path | Source | None, options: TrainOptions, run: Run, session: Session
) -> Run:
    """Begin a training that was stopped before its first step, with the options that it had."""
    world = session.world
    named, kept = kept_options(run, options)
    check_fresh(kept)
    session.watcher.said(
        f"The training in {run.path} was stopped before its first step; it begins again."
    )

    def clear() -> None:
        session.lock.take(run.path)
        shutil.rmtree(run.checkpoints, ignore_errors=True)

    world.first(clear)
    world.note_run(run.path)
    opened = _opened(named if source is None else source, kept)
    dataset, keeper, trainer = begin(run, opened, kept, session, again=True)
    return go_on(run, dataset, keeper, trainer, session, kept)


def _opened(source: str | Path | Source, options: TrainOptions) -> Source:
    """Open a source that can be trained on with these options."""
    require_no_run(source)
    opened = open_source(source)
    require_labels(opened)
    base = run_of(options.model)
    check_source(like_run(options, base) if base else options, opened)
    return opened


def _remove(run: Run) -> None:
    """Take a run folder away in which no training has begun."""
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    for path in (run.options_file, run.path / LOCK):
        path.unlink(missing_ok=True)
    try:
        run.path.rmdir()
    except OSError:
        return
