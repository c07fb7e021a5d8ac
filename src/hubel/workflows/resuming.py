"""`--resume`: an interrupted run goes on to the same bits; a finished one may be extended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import torch

from hubel.data.dataset import Dataset
from hubel.data.opening import open_source
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import Source
from hubel.errors import RunError, UsageError
from hubel.nn.native import library
from hubel.options import TrainOptions
from hubel.results import ModelCard, Plan, Run
from hubel.results.files import write_json
from hubel.training.checkpoint import Checkpoint, load_newest, steps_done
from hubel.training.hardware.devices import choose_device
from hubel.training.loop import Trainer
from hubel.training.planning import extend, revise_non_finite
from hubel.training.settings import Settings, settings_of
from hubel.workflows.assembling import Network, build_network, build_trainer
from hubel.workflows.caching import open_cache
from hubel.workflows.checking import check_before
from hubel.workflows.checks import check_resumed
from hubel.workflows.going_on import go_on
from hubel.workflows.own_pictures import own_dataset, planned
from hubel.workflows.relaunching import shared_dataset
from hubel.workflows.restoring import Beginning, Keeper
from hubel.workflows.session import Session
from hubel.workflows.watching import Watcher

_UNFITTING: Final = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What restoring raises where a checkpoint does not hold what its network and plan expect."""


def resume(options: TrainOptions, source: str | Path | Source | None, session: Session) -> Run:
    """Go on with a run from its newest good checkpoint.

    `source` says where the pictures are now, where they have moved. Errors: RunError where the run
    is damaged or the pictures or the network have changed, naming what changed.
    """
    check_resumed(options)
    assert options.resume is not None
    world, watcher = session.world, session.watcher
    run = Run.open(options.resume)
    world.first(lambda: session.lock.take(run.path))
    world.note_run(run.path)
    if session.lock.problem:
        watcher.said(session.lock.problem)
    plan = run.plan()
    settings = settings_of(plan)
    if options.epochs is None and _is_complete(run):
        raise RunError(
            f"{run.path} has finished its {settings.epochs} passes; to go on: "
            f"hubel train --resume {run.path} --epochs {settings.epochs * 2}"
        )
    checkpoint, problem = world.first(lambda: load_newest(run.checkpoints))
    if problem:
        watcher.said(problem)
    done = steps_done(checkpoint)
    if options.epochs is not None:
        settings, plan = extend(plan, options.epochs, done)
    if options.non_finite is not None:
        plan = revise_non_finite(plan, options.non_finite)
        settings = settings_of(plan)
    settings = _on_this_machine(settings, session)
    torch.set_num_threads(settings.threads)
    dataset = shared_dataset(
        world,
        lambda: open_source(planned(run, "source") if source is None else source),
        lambda: own_dataset(run, source, progress=watcher.scanning),
    )
    watcher.inspected(dataset.inspection)
    card = run.card()
    preprocessing = Preprocessing.from_json(card.preprocessing, checkpoint.part("preprocessing"))
    network = _same_network(run, card, settings, trust_code=options.trust_code)
    cache = open_cache(settings.cache_bytes, dataset, run, world)
    session.resources.enter_context(closing(cache))
    trainer = build_trainer(
        settings, network.module, dataset, preprocessing, run, cache=cache, world=world
    )
    _restore(trainer, checkpoint, run)
    keepers: list[Keeper] = []

    def begin() -> None:
        if (options.epochs, options.non_finite) != (None, None):
            _write_anew(run, plan)
        if options.epochs is not None:
            watcher.said(_new_schedule(trainer.updater.rate, settings, done))
        watcher.planned(run, plan)
        beginning = _beginning(run, dataset, network, card, plan, settings, watcher)
        keepers.append(Keeper(run, beginning, session.lock, watcher.said))

    world.first(begin)
    return go_on(run, dataset, keepers[0] if keepers else None, trainer, session, options)


def _is_complete(run: Run) -> bool:
    """Whether nothing is left to do: training has ended, and its report is written."""
    return run.finished and run.training() is not None and run.report_file.is_file()


def _write_anew(run: Run, plan: Plan) -> None:
    """Write a changed plan."""
    # What train.json says ends with the old plan; without it, a killed extension goes on.
    run.stage_file("train").unlink(missing_ok=True)
    write_json(run.plan_file, plan)


def _beginning(
    run: Run,
    dataset: Dataset,
    network: Network,
    card: ModelCard,
    plan: Plan,
    settings: Settings,
    watcher: Watcher,
) -> Beginning:
    """Gather what the run folder held before the first step, and make up for what is missing."""
    return Beginning(
        options=run.options_file.read_bytes() if run.options_file.is_file() else b"",
        dataset=dataset,
        code=network.loaded.code_text.encode(),
        card=card,
        plan=plan,
        check=run.check() or check_before(run, network, settings, watcher),
    )


def _on_this_machine(settings: Settings, session: Session) -> Settings:
    """Say what differs from where the run began; use another device where its own is not here."""
    size = session.world.size
    if size != settings.processes:
        session.watcher.said(
            f"The run was trained by {_processes(settings.processes)} and goes on with "
            f"{_processes(size)}: the result differs by rounding."
        )
    if settings.native and library() is None:
        session.watcher.said(
            "The run was trained with functions in C that cannot be compiled here: it goes on with "
            "PyTorch's, and its bits may differ."
        )
        settings = replace(settings, native=False)
    try:
        choose_device(settings.device)
    except UsageError:
        device = str(choose_device())
        session.watcher.said(
            f"The run was trained on {settings.device}, which is not here: it goes on on {device}, "
            "and its bits may differ."
        )
        return replace(settings, device=device)
    return settings


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def _same_network(run: Run, card: ModelCard, settings: Settings, *, trust_code: bool) -> Network:
    """Build the run's network again; RunError where its code has changed."""
    network = build_network(asdict(settings), trust_code=trust_code)
    if network.loaded.code_digest != card.code_digest:
        raise RunError(
            f"The code of {settings.model} has changed since {run.path} began: the copy in "
            f"{run.code_file} is what it was. Restore it, or train anew."
        )
    return network


def _restore(trainer: Trainer, checkpoint: Checkpoint, run: Run) -> None:
    try:
        trainer.restore(checkpoint)
    except _UNFITTING as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"The checkpoint of {run.path} does not fit its network and plan ({first}): the plan "
            "or the model card was edited, or hubel has changed. Train anew."
        ) from error
    step, total = trainer.progress.step, trainer.updater.timeline.total
    if step > total:
        raise RunError(
            f"The checkpoint of {run.path} does not fit its plan: it stands at step {step:,}, but "
            f"the plan ends after {total:,}. Restore both from one copy, or train anew."
        )


def _new_schedule(rate: Callable[[int], float], settings: Settings, done: int) -> str:
    """Return a sentence about the learning rate from here to the new end."""
    if done >= settings.steps:
        return "No step is left to train."
    passes = settings.steps_per_pass
    marks = sorted({done, (done + settings.steps) // 2, settings.steps - 1})
    rates = ", ".join(f"{rate(step):.3g} in pass {step // passes + 1}" for step in marks)
    return f"New schedule: {settings.schedule} to pass {settings.epochs}; learning rate {rates}."
