"""Many runs: two processes of one thread each, every finished run a line of the store."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.doctor.cases import BENCHES, Case
from benchmarks.doctor.data import load
from benchmarks.doctor.executing import Arm, execute
from benchmarks.doctor.store import Store

Job = tuple[Case, Arm]


def _serve(connection: Connection, folder: Path) -> None:
    """Make the runs that come, one after the other."""
    import warnings

    warnings.simplefilter("ignore")
    while True:
        job = connection.recv()
        if job is None:
            return
        case, arm = job
        connection.send(execute(_found(case), arm, folder))


def _found(key: str) -> Case:
    from benchmarks.doctor.cases import all_cases

    return all_cases()[key]


class Worker:
    """A process that makes runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.job: Job | None = None
        self.since = 0.0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._folder), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, job: Job) -> None:
        """Begin a run."""
        self.job, self.since = job, time.monotonic()
        self.connection.send((job[0].key, job[1]))

    def again(self) -> None:
        """End the process, whatever it does, and start another."""
        self._process.kill()
        self._process.join()
        self.connection.close()
        self._start()

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def run_all(
    cases: Iterable[Case], arms: Iterable[Arm], store: Store, folder: Path, *,
    workers: int, timeout_s: float, deadline: float,
) -> None:  # fmt: skip
    """Make all runs that the store does not have; stop beginning new ones at the deadline."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    arms = tuple(arms)
    jobs = [(case, arm) for case in cases for arm in arms if not store.has(case, arm)]
    if not jobs:
        return
    print(f"{len(jobs)} runs to make", file=sys.stderr, flush=True)
    for pictures in {BENCHES[case.bench].pictures for case, _ in jobs}:
        load(pictures, folder)  # here, once: the processes find it made
    todo = iter(jobs)
    team = [Worker(folder) for _ in range(min(workers, len(jobs)))]
    done, started = 0, time.monotonic()
    try:
        for worker in team:
            _next(worker, todo, deadline)
        while busy := [worker for worker in team if worker.job is not None]:
            ready = wait([worker.connection for worker in busy], timeout=1.0)
            for worker in busy:
                line = _line(worker, ready, timeout_s)
                if line is None or worker.job is None:
                    continue
                case, arm = worker.job
                store.add(case, arm, line)
                done += 1
                _tell(done, len(jobs), time.monotonic() - started, line)
                _next(worker, todo, deadline)
    finally:
        for worker in team:
            worker.stop()


def _next(worker: Worker, todo: Any, deadline: float) -> None:
    job = next(todo, None) if time.monotonic() < deadline else None
    worker.job = None
    if job is not None:
        worker.give(job)


def _line(worker: Worker, ready: list[Any], timeout_s: float) -> dict[str, Any] | None:
    """Return what a worker has to say; None where it is still at work."""
    if worker.job is None:
        return None
    case, arm = worker.job
    if worker.connection in ready:
        try:
            return worker.connection.recv()
        except EOFError:
            worker.again()
            return {"key": case.key, "arm": arm, "status": "crashed"}
    if time.monotonic() - worker.since > timeout_s:
        worker.again()
        return {"key": case.key, "arm": arm, "status": "timeout", "trained_s": timeout_s}
    return None


def _tell(done: int, total: int, seconds: float, line: Mapping[str, Any]) -> None:
    said = line.get("diagnosis") or {}
    causes = ", ".join(cause["id"] for cause in said.get("causes", ())) or "-"
    if "doctor_error" in line:
        causes = line["doctor_error"].strip().splitlines()[-1]
    print(
        f"{done}/{total} {seconds:.0f}s {line['key']} {line['arm']} {line['status']} "
        f"test {line.get('test', float('nan')):.3f} "
        f"{line.get('trained_s', 0):.1f}+{line.get('judged_s', 0):.1f}s {causes}",
        file=sys.stderr, flush=True,
    )  # fmt: skip
