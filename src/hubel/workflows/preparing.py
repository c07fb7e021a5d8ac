"""All that comes before the first step of a training: pictures, settings, network, trainer."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import torch

from hubel.architectures import choose_size
from hubel.data.array_source import ArraySource
from hubel.data.augmentation import detail_of
from hubel.data.cache import PictureCache
from hubel.data.dataset import Dataset
from hubel.data.integrity import inspect_source
from hubel.data.preprocessing import Preprocessing
from hubel.data.room import choose_cache
from hubel.data.source import TRAIN, Source
from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.results import Inspection, Run
from hubel.results.files import write_bytes
from hubel.training.body import head_of
from hubel.training.loop import Trainer
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
from hubel.workflows.checks import MICRO_BATCH_OR_PROCESSES, check_validated
from hubel.workflows.fitting import Subject, fit_to_machine
from hubel.workflows.keeping import options_toml
from hubel.workflows.relaunching import shared_dataset
from hubel.workflows.restoring import Beginning, Keeper
from hubel.workflows.session import Session
from hubel.workflows.trainable import require_trainable
from hubel.workflows.transfer import Start, like_run, published_of, run_of, start_of, take_weights


def begin(
    run: Run,
    opened: Source,
    asked: TrainOptions,
    session: Session,
    *,
    again: bool = False,
    dataset: Dataset | None = None,
) -> tuple[Dataset, Keeper | None, Trainer]:
    """Do all that comes before the first step; whatever is killed in it can begin again.

    `again` where the options were read from the run, which must not make code run by itself;
    `dataset` where the pictures were inspected and split before. The keeper is None in processes
    that do not write.
    """
    base = run_of(asked.model)
    options = like_run(asked, base) if base else asked
    start = start_of(base) if base else published_of(options)
    world, watcher = session.world, session.watcher
    kept = options_toml(str(opened.name), asked)
    world.first(lambda: write_bytes(run.options_file, kept))
    if session.lock.problem:
        watcher.said(session.lock.problem)
    if dataset is None:
        dataset = _inspected(opened, options, session)
    draft = draft_settings(
        options, world.first(lambda: _facts(options, opened, dataset, start, run))
    )
    check_validated(draft["schedule"], dataset)
    cache = open_cache(draft["cache_bytes"], dataset, run, world)
    session.resources.enter_context(closing(cache))
    preprocessing = world.first(lambda: _measured(options, dataset, draft, start, cache))
    draft.choose("channels", preprocessing.channels, "hubel", "colours of the pictures")
    trusted = options.trust_code or (base is None and not again)
    network, notes, fresh = _network(options, draft, base, trust_code=trusted)
    _fit(options, draft, network, session)
    head = head_of(network.module, draft["outputs"], fresh) if start else ()
    _choose_length(options, draft, head)
    if options.budget is not None:
        found = steps_for_budget(
            options.budget, draft, network, dataset, preprocessing, run, cache, session
        )
        _choose_length(options, draft, head, found)
    settings, plan = draft.freeze()
    trainer = build_trainer(
        settings, network.module, dataset, preprocessing, run, cache=cache, world=world
    )
    beginning = Beginning(
        options=kept,
        dataset=dataset,
        code=network.loaded.code_text.encode(),
        card=card_of(settings, network, dataset, preprocessing),
        plan=plan,
    )
    keeper = _written(run, beginning, network, trainer, notes, session)
    return dataset, keeper, trainer


def _network(
    options: TrainOptions, draft: Draft, base: Run | None, *, trust_code: bool
) -> tuple[Network, list[str], tuple[str, ...]]:
    """Return the network with the weights that it starts from, what they are, and what is fresh."""
    network = build_network(
        {name: choice.value for name, choice in draft.choices.items()},
        trust_code=trust_code,
        pretrained=options.pretrained,
        weights=options.weights,
    )
    notes, fresh = list(network.loaded.notes), network.fresh
    if base is not None:
        note, fresh = take_weights(network.module, base, trust_code=options.trust_code)
        notes.append(note)
    return network, notes, fresh


def _inspected(opened: Source, options: TrainOptions, session: Session) -> Dataset:
    """Look at all pictures, in the first process, and make sure that they can be trained on."""
    watcher = session.watcher
    dataset = shared_dataset(
        session.world,
        lambda: opened,
        lambda: inspect_source(
            opened, seed=options.seed, threads=options.threads, progress=watcher.scanning
        ),
    )
    watcher.inspected(dataset.inspection)
    require_trainable(dataset, allow_leaks=options.allow_leaks)
    return dataset


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


def _measured(
    options: TrainOptions,
    dataset: Dataset,
    draft: Draft,
    start: Start | None,
    cache: PictureCache,
) -> Preprocessing:
    """Make the preprocessing object of the run."""
    return Preprocessing.measure(
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


def _fit(options: TrainOptions, draft: Draft, network: Network, session: Session) -> None:
    """Fit the training to this machine, measured by the first process for all."""
    # The network may add arguments of its own, as LeNet-5 does for numbers.
    draft.choices["model_arguments"] = replace(
        draft.choices["model_arguments"], value=dict(network.loaded.arguments)
    )
    world = session.world
    shared = world.threads() if world.size > 1 and options.threads is None else None
    fitted = replace(options, threads=shared) if shared else options

    def fit() -> Draft:
        fit_to_machine(
            Subject(options=fitted, draft=draft, module=network.module, watcher=session.watcher)
        )
        return draft

    draft.choices = world.first(fit).choices
    if world.size > 1:
        draft.choose("processes", world.size, "user", "set by you")
        _require_whole_shares(options, draft)
    if shared:
        reason = f"a share of the processors for each of {world.size} processes"
        draft.choose("threads", shared, "hubel", reason)
    torch.set_num_threads(draft["threads"])


def _require_whole_shares(options: TrainOptions, draft: Draft) -> None:
    """Have each process compute its share of a batch at once: they wait for one another's."""
    if options.micro_batch is not None:
        raise UsageError(MICRO_BATCH_OR_PROCESSES)
    reason = "each process computes its share of the batch at once"
    draft.choose("micro_batch", draft["batch"], "hubel", reason)


def _choose_length(
    options: TrainOptions,
    draft: Draft,
    head: tuple[str, ...],
    budget: tuple[int, str, float] | None = None,
) -> None:
    """Choose the number of steps, from passes or budget, and what follows from it."""
    if budget is None:
        choose_steps(draft, None, "")
    else:
        choose_steps(draft, *budget)
    choose_strength(draft, options.augment_strength)
    choose_freezing(draft, options, head)


def _written(
    run: Run,
    beginning: Beginning,
    network: Network,
    trainer: Trainer,
    notes: list[str],
    session: Session,
) -> Keeper | None:
    """Write and say what is known before the first step; return what keeps it written."""
    kept: list[Keeper] = []
    watcher = session.watcher

    def write() -> None:
        # The checkpoint comes before the plan: a run that has a plan can always go on.
        trainer.save_checkpoint()
        beginning.write(run)
        watcher.planned(run, beginning.plan)
        beginning.check = check_before(run, network, trainer.settings, watcher)
        for note in notes:
            watcher.said(note)
        kept.append(Keeper(run, beginning, session.lock, watcher.said))

    session.world.first(write)
    return kept[0] if kept else None
