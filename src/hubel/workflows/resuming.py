"""`--resume`: an interrupted run goes on to the same bits; a finished one may be extended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import torch

from hubel.data.opening import open_source
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import Source
from hubel.errors import RunError, UsageError
from hubel.options import TrainOptions
from hubel.results import ModelCard, Run
from hubel.results.files import write_json
from hubel.training.checkpoint import Checkpoint, load_newest
from hubel.training.distribution import World
from hubel.training.hardware.devices import choose_device
from hubel.training.logs import CsvLog, TensorBoardLog
from hubel.training.loop import Trainer
from hubel.training.planning import extend
from hubel.training.settings import Settings, settings_of
from hubel.workflows.assembling import Network, build_network, build_trainer
from hubel.workflows.budgeting import Recorder
from hubel.workflows.caching import open_cache, tell_problem
from hubel.workflows.checks import check_resumed
from hubel.workflows.finishing import finish
from hubel.workflows.interrupts import graceful
from hubel.workflows.own_pictures import own_dataset, planned
from hubel.workflows.relaunching import shared_dataset
from hubel.workflows.watching import Watcher


def resume(
    options: TrainOptions, source: str | Path | Source | None, watcher: Watcher, world: World
) -> Run:
    """Go on with a run from its newest good checkpoint.

    `source` says where the pictures are now, where they have moved. Errors: RunError where the run
    is damaged or the pictures or the network have changed, naming what changed.
    """
    check_resumed(options)
    assert options.resume is not None
    run = Run.open(options.resume)
    world.note_run(run.path)
    plan = run.plan()
    settings = settings_of(plan)
    if options.epochs is None and run.finished and run.training() is not None:
        raise RunError(
            f"{run.path} has finished its {settings.epochs} passes; to go on: "
            f"hubel train --resume {run.path} --epochs {settings.epochs * 2}"
        )
    checkpoint, problem = world.first(lambda: load_newest(run.checkpoints))
    if problem:
        watcher.said(problem)
    if world.size != settings.processes:
        watcher.said(
            f"{run.path} was trained by {_processes(settings.processes)} and goes on with "
            f"{_processes(world.size)}: the result differs by rounding."
        )
    done = int(checkpoint.values["step"])
    if options.epochs is not None:
        settings, plan = extend(plan, options.epochs, done)
    settings = _on_this_machine(settings, watcher)
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
    trainer = build_trainer(
        settings, network.module, dataset, preprocessing, run, cache=cache, world=world
    )
    _restore(trainer, checkpoint, run)

    def begin() -> None:
        if options.epochs is not None:
            write_json(run.plan_file, plan)
            watcher.said(_new_schedule(trainer.updater.rate, settings, done))
        watcher.planned(run, plan)
        log = CsvLog(run, trainer.progress.rows)
        trainer.observers = (Recorder(run), log, TensorBoardLog(run), watcher)

    world.first(begin)
    with graceful(trainer.ask_to_stop), closing(cache):
        ending = trainer.train()
        tell_problem(cache, watcher)
    finish(run, trainer, ending, dataset, watcher)
    return run


def _on_this_machine(settings: Settings, watcher: Watcher) -> Settings:
    """Return the settings, with another device where the run's own is not here."""
    try:
        choose_device(settings.device)
    except UsageError:
        device = str(choose_device())
        watcher.said(
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
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise RunError(
            f"The checkpoint of {run.path} does not fit its network and plan ({first}): the plan "
            "or the model card was edited, or hubel has changed. Train anew."
        ) from error


def _new_schedule(rate: Callable[[int], float], settings: Settings, done: int) -> str:
    """Return a sentence about the learning rate from here to the new end."""
    if done >= settings.steps:
        return "No step is left to train."
    passes = settings.steps_per_pass
    marks = sorted({done, (done + settings.steps) // 2, settings.steps - 1})
    rates = ", ".join(f"{rate(step):.3g} in pass {step // passes + 1}" for step in marks)
    return f"New schedule: {settings.schedule} to pass {settings.epochs}; learning rate {rates}."
