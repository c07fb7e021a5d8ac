"""`--processes`: the training is started in several processes by torch's own elastic launcher.

This process only watches over them: it starts all of them again when one was killed, passes signals
on, and gives back what they say about how it ended.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hubel.data.parallel import available_threads
from hubel.data.source import Source
from hubel.errors import (
    HubelError,
    LeakError,
    RunError,
    SourceError,
    TrainingError,
    UsageError,
    WeightsError,
)
from hubel.options import TrainOptions
from hubel.results import Run
from hubel.results.files import read_json, write_json
from hubel.training.launched import LAUNCH_FOLDER, RUN_NOTE
from hubel.training.loop import Interrupted

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

WORKER: Final = "hubel.cli.worker"
ORDER: Final = "order.json"
OUTCOME: Final = "outcome.json"
_LOGGERS: Final = "torch.distributed.elastic"
_ERRORS: Final = {
    kind.__name__: kind
    for kind in (UsageError, SourceError, LeakError, RunError, TrainingError, WeightsError)
}
"""Those that take a sentence alone; the others have the exit status of TrainingError too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the processes are to do."""

    source: str | None
    options: dict[str, Any]
    quiet: bool
    """Whether they print nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended."""

    run: str = ""
    interrupted: bool = False
    error: str = ""
    """Name of the error's class; empty where there was none."""
    sentence: str = ""


def processes_of(options: TrainOptions) -> int:
    """Return how many processes are to train: as set, else those of the resumed run, else one."""
    if options.processes is not None:
        return options.processes
    if options.resume is None or not Run(options.resume).plan_file.is_file():
        return 1
    plan = Run(options.resume).plan()
    return next((int(c.value) for c in plan.choices if c.name == "processes"), 1)


def launch(source: str | Path | Source | None, options: TrainOptions, *, quiet: bool) -> Run:
    """Train in `processes_of(options)` processes on this machine, and return the run.

    Errors: those of the training; TrainingError where processes were killed more often than
    `restarts` allows; Interrupted and KeyboardInterrupt after Ctrl-C.
    """
    if isinstance(source, Source):
        raise UsageError(
            "--processes starts other processes, which cannot be handed a Source made in Python: "
            "give a path, or start your script with torchrun."
        )
    processes = processes_of(options)
    with tempfile.TemporaryDirectory(prefix="hubel-launch-") as name:
        folder = Path(name)
        given = asdict(options) | {"processes": processes}
        order = Order(
            source=None if source is None else str(source),
            options={n: str(v) if isinstance(v, Path) else v for n, v in given.items()},
            quiet=quiet,
        )
        write_json(folder / ORDER, order)
        failure = _watch_over(folder, processes, options.restarts)
        return _run_of(folder, failure)


def _watch_over(folder: Path, processes: int, restarts: int) -> str | None:
    """Start the processes and wait for their end; return which one failed for good, and how."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=restarts,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs")),
    )
    with _surroundings(folder, processes):
        try:
            elastic_launch(config, sys.executable)("-m", WORKER)
        except ChildFailedError as problem:
            return _failure_of(problem, restarts)
        except SignalException:
            return None
    return None


@contextmanager
def _surroundings(folder: Path, processes: int) -> Generator[None]:
    """Set what the processes inherit, and put everything back at the end.

    The launcher's own log is silenced: what matters of it is said in one sentence.
    """
    threads = max(1, available_threads() // processes)
    # The processes of one machine meet on its loopback, whatever its other networks are.
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    wanted = {LAUNCH_FOLDER: str(folder)}
    defaults = {"OMP_NUM_THREADS": str(threads), **loopback}
    before = {name: os.environ.get(name) for name in (*wanted, *defaults)}
    os.environ.update({name: value for name, value in defaults.items() if not before[name]})
    os.environ.update(wanted)
    names = [name for name in logging.root.manager.loggerDict if name.startswith(_LOGGERS)]
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _run_of(folder: Path, failure: str | None) -> Run:
    """Return the run that the processes made, or raise what they said, else what ended them."""
    noted = folder / RUN_NOTE
    where = noted.read_text(encoding="utf-8") if noted.is_file() else ""
    if (folder / OUTCOME).is_file():
        outcome = read_json(folder / OUTCOME, Outcome)
        if outcome.error:
            raise _error_of(outcome)
        if not outcome.interrupted:
            return Run(Path(outcome.run))
        if outcome.run:
            raise Interrupted(Path(outcome.run))
        raise KeyboardInterrupt
    if failure is None:
        raise KeyboardInterrupt
    go_on = f"the last checkpoint is intact, go on with: hubel train --resume {where}"
    raise TrainingError(f"{failure}; {go_on if where else 'nothing was trained.'}")


def _error_of(outcome: Outcome) -> HubelError:
    """Return the error that a process had, with its class where that takes a sentence alone."""
    kind = _ERRORS.get(outcome.error, TrainingError)
    return kind(outcome.sentence)


def _failure_of(problem: ChildFailedError, restarts: int) -> str:
    """Return which process ended first and how, as the beginning of a sentence."""
    rank, failure = problem.get_first_failure()
    how = "ended with an error of its own, which stands above"
    if failure.exitcode < 0:
        how = f"was killed ({failure.signal_name()})"
    again = f", after {restarts} restarts" if restarts > 1 else ", after a restart"
    return f"Process {rank} of the training {how}{again if restarts else ''}"
