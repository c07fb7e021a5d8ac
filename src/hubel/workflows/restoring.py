"""A run folder that is deleted or moved while its training runs is written again.

What the folder held stands in memory, but for the best weights, which are on the disk alone: they
are kept open, and a file that is open lives on where its name is deleted (not on Windows, which
lets nobody delete it).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hubel.data.dataset import Dataset
from hubel.data.manifest import write_manifest
from hubel.results import Check, ModelCard, Plan, Run
from hubel.results.files import write_bytes, write_json
from hubel.training.budget import Timeline
from hubel.training.checkpoint import BEST
from hubel.training.events import Observer
from hubel.training.halving import Halvings
from hubel.training.planning import revise, revise_memory
from hubel.workflows.locking import RunLock


@dataclass(slots=True, kw_only=True)
class Beginning:
    """What a run folder holds before the first step."""

    options: bytes
    dataset: Dataset
    code: bytes
    """The Python file that made the network; empty for known networks."""
    card: ModelCard
    plan: Plan
    check: Check | None = None

    def write(self, run: Run) -> None:
        """Write all of it; the plan last, since it makes the run a run."""
        write_bytes(run.options_file, self.options)
        write_json(run.stage_file("data"), self.dataset.inspection)
        write_manifest(run.manifest_file, self.dataset)
        if self.code:
            write_bytes(run.code_file, self.code)
        write_json(run.model_file, self.card)
        if self.check is not None:
            write_json(run.stage_file("check"), self.check)
        write_json(run.plan_file, self.plan)


class Keeper(Observer):
    """Keeps what began a run in its folder: its plan up to date, and all of it if it is lost."""

    def __init__(
        self, run: Run, beginning: Beginning, lock: RunLock, say: Callable[[str], None]
    ) -> None:
        self.run = run
        self.beginning = beginning
        self.lock = lock
        self._say = say
        self._best: BinaryIO | None = None

    def revised(self, timeline: Timeline) -> None:
        """Write a revised number of steps into the plan before any step depends on it."""
        self.beginning.plan = revise(self.beginning.plan, timeline)
        self.restore()
        write_json(self.run.plan_file, self.beginning.plan)

    def halved(self, halvings: Halvings, validation: Halvings) -> None:
        """Write pictures at a time into the plan before any checkpoint depends on them."""
        self.beginning.plan = revise_memory(self.beginning.plan, halvings, validation)
        self.restore()
        write_json(self.run.plan_file, self.beginning.plan)

    def saved(self, path: Path) -> None:
        """Look whether the folder is still there, now that a checkpoint was written into it."""
        del path
        self.restore()
        self._hold_best()

    def close(self) -> None:
        """Let go of the best weights' file."""
        if self._best is not None:
            self._best.close()
            self._best = None

    def restore(self) -> bool:
        """Write the folder again if it is gone, and say so; return whether it was.

        Errors: RunError where it cannot be written.
        """
        if self.run.plan_file.is_file():
            return False
        best = self.run.checkpoints / BEST
        self.run.checkpoints.mkdir(parents=True, exist_ok=True)
        self.lock.take(self.run.path)
        if self._best is not None and not best.exists():
            self._best.seek(0)
            write_bytes(best, self._best.read())
        self.beginning.write(self.run)
        self._say(
            f"{self.run.path} was deleted or moved while the training ran: it is written again, "
            "and the training goes on."
        )
        return True

    def _hold_best(self) -> None:
        if os.name != "posix":
            return
        with suppress(OSError):
            file = (self.run.checkpoints / BEST).open("rb")
            if self._best is not None:
                self._best.close()
            self._best = file
