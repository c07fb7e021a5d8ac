"""From a trainer that is ready to a finished run, or to one sentence that says how to go on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from hubel.data.cache import PictureCache
from hubel.errors import PictureError, RunError, TrainingError
from hubel.results import Run
from hubel.training.logs import CsvLog, TensorBoardLog
from hubel.training.loop import Trainer
from hubel.workflows.caching import tell_problem
from hubel.workflows.finishing import finish
from hubel.workflows.interrupts import graceful
from hubel.workflows.restoring import Keeper
from hubel.workflows.watching import Watcher


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ready:
    """A training of which only the steps are left."""

    run: Run
    keeper: Keeper
    trainer: Trainer
    cache: PictureCache
    watcher: Watcher


def go_on(ready: Ready) -> Run:
    """Train to the end of the plan, evaluate, write the report, and return the run.

    Errors: Interrupted after Ctrl-C; RunError where the run folder cannot be written;
    TrainingError where a picture can no longer be read, or the loss is not finite.
    """
    run, keeper, trainer, watcher = ready.run, ready.keeper, ready.trainer, ready.watcher
    said, rows = watcher.said, trainer.progress.rows
    trainer.observers = (keeper, CsvLog(run, said, rows), TensorBoardLog(run, said), watcher)
    with closing(keeper), _said_how_to_go_on(run):
        with closing(ready.cache), graceful(trainer.ask_to_stop):
            ending = trainer.train()
            tell_problem(ready.cache, watcher)
        if not run.plan_file.is_file():
            trainer.save_checkpoint()  # The keeper writes the rest.
        finish(run, trainer, ending, keeper.beginning.dataset, watcher)
    return run


@contextmanager
def _said_how_to_go_on(run: Run) -> Generator[None]:
    """Add to what stops a training from outside how it goes on when that is mended."""
    command = f"hubel train --resume {run.path}"
    try:
        yield
    except PictureError as error:
        raise TrainingError(
            f"A picture can no longer be used, {error}. The last checkpoint is intact: bring the "
            f"picture back, then go on with: {command}"
        ) from error
    except RunError as error:
        raise RunError(f"{error} The last checkpoint is intact; go on with: {command}") from error
    except OSError as error:
        raise RunError(
            f"{error.filename or run.path}: {error.strerror or error}. The last checkpoint is "
            f"intact; when this is mended, go on with: {command}"
        ) from error
