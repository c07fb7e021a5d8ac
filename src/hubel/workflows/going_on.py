"""From a trainer that is ready to a finished run, or to one sentence that says how to go on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager, nullcontext

from hubel.data.dataset import Dataset
from hubel.errors import PictureError, RunError, TrainingError
from hubel.options import TrainOptions
from hubel.results import Run
from hubel.training.logs import CsvLog, TensorBoardLog
from hubel.training.loop import Ending, Interrupted, Trainer
from hubel.training.nonfinite import NonFiniteLog
from hubel.workflows.caching import close_cache
from hubel.workflows.doctor.during import Doctor
from hubel.workflows.finishing import finish
from hubel.workflows.interrupts import graceful
from hubel.workflows.restoring import Keeper
from hubel.workflows.session import Session


def go_on(
    run: Run,
    dataset: Dataset,
    keeper: Keeper | None,
    trainer: Trainer,
    session: Session,
    options: TrainOptions,
) -> Run:
    """Train to the end of the plan, evaluate, write the report, and return the run.

    `keeper` is None in processes that do not write. Errors: Interrupted after Ctrl-C; RunError
    where the run folder cannot be written; TrainingError where a picture can no longer be read,
    the loss is not finite, or the doctor stops the training.
    """
    watcher = session.watcher
    doctor: Doctor | None = None
    if keeper is not None:
        said, rows = watcher.said, trainer.progress.rows
        logs = (NonFiniteLog(run), CsvLog(run, said, rows), TensorBoardLog(run, said))
        if options.doctor:
            doctor = Doctor(run, trainer, dataset, said, options.stop_on)
        trainer.observers = (keeper, *logs, watcher, *([doctor] if doctor else []))
    with closing(keeper) if keeper else nullcontext(), _said_how_to_go_on(run):
        with graceful(trainer.ask_to_stop):
            ending = _trained(trainer, doctor, session, options)
        close_cache(trainer.loader.cache, watcher)
        if not run.plan_file.is_file():
            trainer.save_checkpoint()  # The keeper writes the rest.
        if doctor is not None:
            doctor.conclude()
        finish(run, trainer, ending, dataset, watcher)
    return run


def _trained(
    trainer: Trainer, doctor: Doctor | None, session: Session, options: TrainOptions
) -> Ending:
    """Train; TrainingError, in all processes, where the doctor has stopped it."""
    try:
        return trainer.train()
    except Interrupted:
        if options.stop_on is not None:
            session.world.first(lambda: _require_no_stop(doctor))
        raise
    except TrainingError:
        if doctor is not None:
            doctor.conclude()
        raise


def _require_no_stop(doctor: Doctor | None) -> None:
    if doctor is not None and doctor.reason():
        raise TrainingError(doctor.reason())


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
