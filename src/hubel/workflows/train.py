"""From pictures to a trained, evaluated, reported network; the public function `train`."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hubel.architectures import choose_size
from hubel.data.array_source import ArraySource
from hubel.data.augmentation import detail_of
from hubel.data.cache import PictureCache
from hubel.data.dataset import Dataset
from hubel.data.integrity import inspect_source
from hubel.data.opening import open_source
from hubel.data.preprocessing import Preprocessing
from hubel.data.room import choose_cache
from hubel.data.source import TRAIN, Source
from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.options.gathering import gather_options
from hubel.results import Inspection, Run
from hubel.results.files import write_bytes
from hubel.training.body import head_of
from hubel.training.hardware.heap import keep_heap
from hubel.training.planning import (
    Facts,
    choose_freezing,
    choose_steps,
    choose_strength,
    draft_settings,
)
from hubel.training.settings import Draft
from hubel.workflows.assembling import Network, build_network, build_trainer, card_of
from hubel.workflows.budgeting import steps_for_budget
from hubel.workflows.caching import open_cache
from hubel.workflows.checking import check_before
from hubel.workflows.checks import check_fresh, check_source
from hubel.workflows.fitting import Subject, fit_to_machine
from hubel.workflows.folders import new_run_folder, require_empty
from hubel.workflows.going_on import Ready, go_on
from hubel.workflows.keeping import has_not_begun, kept_options, options_toml
from hubel.workflows.locking import LOCK, RunLock
from hubel.workflows.restoring import Beginning, Keeper
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
    keep_heap()
    try:
        with ExitStack() as stack:
            lock = stack.enter_context(RunLock())
            if options.resume is None:
                return _train_new(source, options, watcher, began, lock, stack)
            if has_not_begun(Run(options.resume)):
                return _begin_again(source, options, watcher, began, lock, stack)
            return resume(options, source, watcher, lock)
    finally:
        torch.set_num_threads(threads)


def _train_new(
    source: str | Path | Source | None,
    options: TrainOptions,
    watcher: Watcher,
    began: float,
    lock: RunLock,
    stack: ExitStack,
) -> Run:
    """Train in a folder of its own, which is taken away again if there is nothing to keep."""
    if source is None:
        raise UsageError("train needs a SOURCE: a folder of pictures, a table, or digits.")
    check_fresh(options)
    opened = _opened(source, options)
    run = Run(new_run_folder(options.out, opened.name, options.model))
    lock.take(run.path)
    require_empty(run.path)
    try:
        ready = _begin(run, opened, options, watcher, began, lock, stack)
    except BaseException:
        if not run.plan_file.is_file():
            _remove(run)
        raise
    return go_on(ready)


def _begin_again(
    source: str | Path | Source | None,
    options: TrainOptions,
    watcher: Watcher,
    began: float,
    lock: RunLock,
    stack: ExitStack,
) -> Run:
    """Begin a training that was stopped before its first step, with the options that it had."""
    assert options.resume is not None
    run = Run(options.resume)
    lock.take(run.path)
    named, kept = kept_options(run, options)
    check_fresh(kept)
    watcher.said(f"The training in {run.path} was stopped before its first step; it begins again.")
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    opened = _opened(named if source is None else source, kept)
    return go_on(_begin(run, opened, kept, watcher, began, lock, stack, again=True))


def _opened(source: str | Path | Source, options: TrainOptions) -> Source:
    """Open a source that can be trained on with these options."""
    opened = open_source(source)
    require_labels(opened)
    base = run_of(options.model)
    check_source(like_run(options, base) if base else options, opened)
    return opened


def _begin(
    run: Run,
    opened: Source,
    asked: TrainOptions,
    watcher: Watcher,
    began: float,
    lock: RunLock,
    stack: ExitStack,
    *,
    again: bool = False,
) -> Ready:
    """Do all that comes before the first step; whatever is killed in it can begin again.

    `again` where the options were read from the run, which must not make code run by itself.
    """
    base = run_of(asked.model)
    options = like_run(asked, base) if base else asked
    start = start_of(base) if base else published_of(options)
    write_bytes(run.options_file, options_toml(str(opened.name), asked))
    if lock.problem:
        watcher.said(lock.problem)
    dataset = inspect_source(
        opened, seed=options.seed, threads=options.threads, progress=watcher.scanning
    )
    watcher.inspected(dataset.inspection)
    require_trainable(dataset, allow_leaks=options.allow_leaks)
    draft = draft_settings(options, _facts(options, opened, dataset, start, run))
    cache = stack.enter_context(closing(open_cache(draft["cache_bytes"], dataset, run)))
    preprocessing = _measure(options, dataset, draft, start, cache)
    network, fresh, notes = _network(
        options, draft, base, trust_code=options.trust_code or (base is None and not again)
    )
    head = head_of(network.module, draft["outputs"], fresh) if start else ()
    # The network may add arguments of its own, as LeNet-5 does for numbers.
    draft.choices["model_arguments"] = replace(
        draft.choices["model_arguments"], value=dict(network.loaded.arguments)
    )
    fit_to_machine(Subject(options=options, draft=draft, module=network.module, watcher=watcher))
    _choose_length(options, draft, network, dataset, preprocessing, run, began, head, cache)
    settings, plan = draft.freeze()
    trainer = build_trainer(settings, network.module, dataset, preprocessing, run, cache=cache)
    beginning = Beginning(
        options=run.options_file.read_bytes(),
        dataset=dataset,
        code=network.loaded.code_text.encode(),
        card=card_of(settings, network, dataset, preprocessing),
        plan=plan,
    )
    # The checkpoint comes before the plan: a run that has a plan can always go on.
    trainer.save_checkpoint()
    beginning.write(run)
    watcher.planned(run, plan)
    beginning.check = check_before(run, network, settings, watcher)
    for note in notes:
        watcher.said(note)
    keeper = Keeper(run, beginning, lock, watcher.said)
    return Ready(run=run, keeper=keeper, trainer=trainer, cache=cache, watcher=watcher)


def _network(
    options: TrainOptions, draft: Draft, base: Run | None, *, trust_code: bool
) -> tuple[Network, tuple[str, ...], list[str]]:
    """Build the network with the weights it starts from; return what is fresh in it, and notes."""
    network = build_network(
        {name: choice.value for name, choice in draft.choices.items()},
        trust_code=trust_code,
        pretrained=options.pretrained,
        weights=options.weights,
    )
    notes = list(network.loaded.notes)
    if base is None:
        return network, network.fresh, notes
    note, fresh = take_weights(network.module, base, trust_code=options.trust_code)
    return network, fresh, [*notes, note]


def _facts(
    options: TrainOptions, source: Source, dataset: Dataset, start: Start | None, run: Run
) -> Facts:
    """Gather what the settings depend on."""
    inspection = dataset.inspection
    if options.cache == "auto" and isinstance(source, ArraySource):
        cache_bytes, cache_reason = 0, "the pictures are arrays, which need no decoding"
    else:
        cache_bytes, cache_reason = choose_cache(options.cache, run.path)
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
        cache_bytes=cache_bytes,
        cache_reason=cache_reason,
    )


def _channels(options: TrainOptions, inspection: Inspection) -> int:
    grey = options.colour == "grey" or (options.colour == "auto" and inspection.grey)
    return 1 if grey else 3


def _measure(
    options: TrainOptions,
    dataset: Dataset,
    draft: Draft,
    start: Start | None,
    cache: PictureCache,
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
        detail=detail_of(draft["augment"]),
        cache=cache,
    )
    draft.choose("channels", preprocessing.channels, "hubel", "colours of the pictures")
    return preprocessing


def _choose_length(
    options: TrainOptions,
    draft: Draft,
    network: Network,
    dataset: Dataset,
    preprocessing: Preprocessing,
    run: Run,
    began: float,
    head: tuple[str, ...],
    cache: PictureCache,
) -> None:
    """Choose the number of steps, from passes or budget, and what follows from it."""
    choose_steps(draft, None, "")
    choose_strength(draft, options.augment_strength)
    choose_freezing(draft, options, head)
    if options.budget is not None:
        steps, reason, training_s = steps_for_budget(
            options.budget, draft, network, dataset, preprocessing, run, began, cache
        )
        choose_steps(draft, steps, reason, training_s)
        choose_strength(draft, options.augment_strength)
        choose_freezing(draft, options, head)


def _remove(run: Run) -> None:
    """Take a run folder away in which no training has begun."""
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    for path in (run.options_file, run.path / LOCK):
        path.unlink(missing_ok=True)
    try:
        run.path.rmdir()
    except OSError:
        return
