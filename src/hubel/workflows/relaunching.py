"""One training by several processes: what they share at its start, and how it starts anew."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubel.data.dataset import Dataset
from hubel.data.source import Source
from hubel.errors import RunError, UsageError
from hubel.options import TrainOptions
from hubel.results import Run
from hubel.training.checkpoint import LAST, PREVIOUS
from hubel.training.distribution import World
from hubel.workflows.watching import Watcher


def require_fitting(options: TrainOptions, world: World) -> None:
    """Raise UsageError where the launcher has started another number than --processes says."""
    if world.launched.by_torch and options.processes not in (None, world.size):
        raise UsageError(
            f"--processes {options.processes} does not fit the {world.size} that torchrun has "
            "started: leave --processes out, or torchrun."
        )


def require_seen(folder: Path, world: World) -> None:
    """Raise RunError, in all processes, where one of them does not see the run folder."""
    blind = "" if folder.is_dir() else socket.gethostname()
    if world.any(here=bool(blind)):
        where = ", ".join(sorted(set(filter(None, world.share(world.gather(blind))))))
        raise RunError(
            f"The run folder {folder} cannot be seen from {where}: choose one with --out on a disk "
            "that all machines share."
        )


def shared_dataset(
    world: World, opened: Callable[[], Source], inspect: Callable[[], Dataset]
) -> Dataset:
    """Return the pictures as the first process inspects them; the others open the source only."""
    kept: list[Dataset] = []

    def parts() -> tuple[Any, ...]:
        kept.append(inspect())
        return kept[0].splits, kept[0].inspection, kept[0].digests

    found = world.first(parts)
    return kept[0] if kept else Dataset(opened(), *found)


def again(options: TrainOptions, watcher: Watcher, world: World) -> TrainOptions | Run:
    """Return the options to train with, where this launch may have been started anew.

    Then the run that it made before is gone on with; it is returned itself where it has ended. One
    without a checkpoint has not begun: its folder is taken away, and the training begins anew.
    """
    folder = world.noted_run()
    if folder is None:
        return options
    launched = world.launched
    watcher.said(
        f"A process was lost; all were started again ({launched.restarts} of "
        f"{launched.most_restarts} times)."
    )
    run = Run(folder)
    if options.resume is not None:
        return options
    if world.first(lambda: _has_ended(run)):
        return run
    if world.first(lambda: _has_checkpoint(run)):
        return TrainOptions(
            resume=folder, json=options.json, verbose=options.verbose, trust_code=True
        )
    world.first(lambda: shutil.rmtree(folder, ignore_errors=True))
    return options


def _has_ended(run: Run) -> bool:
    return run.finished and run.training() is not None and run.report_file.is_file()


def _has_checkpoint(run: Run) -> bool:
    files = (run.checkpoints / name for name in (LAST, PREVIOUS))
    return run.plan_file.is_file() and any(file.is_file() for file in files)
