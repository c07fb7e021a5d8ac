"""What a training writes while it runs: `log.csv` and TensorBoard event files.

A training does not end because a log cannot be written: it says so once, and goes on.
"""

from __future__ import annotations

import csv
import io
import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

from hubel.errors import RunError
from hubel.results import EpochRow, Run
from hubel.results.files import write_bytes
from hubel.training.events import Observer, StepEvent
from hubel.training.settings import Settings

Say = Callable[[str], None]
_PER_STEP: Final = 10
"""One in so many steps goes to TensorBoard."""


class CsvLog(Observer):
    """Writes `log.csv`, a row a pass, whole and atomically each time."""

    def __init__(self, run: Run, say: Say, rows: Sequence[EpochRow] = ()) -> None:
        self.run = run
        self.rows = list(rows)
        self._say = say
        self._failing = False

    def started(self, settings: Settings, step: int) -> None:
        """Write what a killed run has not."""
        del settings, step
        if self.rows:
            self._write()

    def saved(self, path: Path) -> None:
        """Write the log again where the run folder was lost."""
        del path
        if self.rows and not self.run.log_file.exists():
            self._write()

    def passed(self, row: EpochRow) -> None:
        """Write the log with its new row."""
        self.rows.append(row)
        self._write()

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, EpochRow.__dataclass_fields__, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        try:
            write_bytes(self.run.log_file, text.getvalue().encode())
        except RunError as error:
            if not self._failing:
                self._say(f"{error} The training goes on; the log is tried again each pass.")
            self._failing = True
        else:
            self._failing = False


class TensorBoardLog(Observer):
    """Writes event files that TensorBoard shows: loss and learning rate a step, scores a pass.

    Written here, and not by TensorBoard's own writer, whose thread prints a traceback where the
    disk is full. The times in the file are the wall clock's; TensorBoard can show steps instead.
    """

    def __init__(self, run: Run, say: Say) -> None:
        self.folder = run.path / "tensorboard"
        self._say = say
        self._file: BinaryIO | None = None
        self._path = Path()
        self._given_up = False

    def started(self, settings: Settings, step: int) -> None:
        """Begin an event file; what a killed run wrote after `step` is hidden."""
        del settings
        self._begin()
        if step:
            self._write({"step": step, "session_log": {"status": "START"}})

    def stepped(self, event: StepEvent) -> None:
        """Write loss and learning rate, one step in ten."""
        if event.step % _PER_STEP == 0:
            self._scalars(event.step, {"step/loss": event.loss, "step/learning rate": event.lr})

    def passed(self, row: EpochRow) -> None:
        """Write the scores of a pass."""
        names = ("train_loss", "train_score", "val_loss", "val_score", "pictures_per_s")
        values = {f"pass/{name}": float(getattr(row, name)) for name in names}
        if not self._given_up and not self._path.exists():
            self._begin()
        self._scalars(row.step, values)

    def ended(self) -> None:
        """Close the event file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._give_up(error)
        self._file = None

    def _begin(self) -> None:
        """Open a file of its own for this process, as TensorBoard expects it."""
        self.ended()
        try:
            self.folder.mkdir(exist_ok=True)
            self._path = self.folder / self._name()
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            self._give_up(error)
            return
        self._write({"file_version": "brain.Event:2"})

    def _name(self) -> str:
        """Return a name that sorts behind those of earlier files, also if the clock went back."""
        earlier = [path.name.split(".")[3] for path in self.folder.glob("events.out.tfevents.*.*")]
        numbers = [int(text) + 1 for text in earlier if text.isdecimal()]
        number = max([int(time.time()), *numbers])
        return f"events.out.tfevents.{number:010}.{socket.gethostname()}.{os.getpid()}"

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        entries = [
            {"tag": tag, "simple_value": value}
            for tag, value in values.items()
            if math.isfinite(value)
        ]
        self._write({"step": step, "summary": {"value": entries}})

    def _write(self, content: dict[str, Any]) -> None:
        """Append a record to the event file."""
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        if self._file is None:
            return
        try:
            event: Any = getattr(event_pb2, "Event")(wall_time=time.time(), **content)  # noqa: B009
            RecordWriter(self._file).write(event.SerializeToString())
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write no more: after half a record, TensorBoard could not read on."""
        if not self._given_up:
            self._say(
                f"Could not write {self.folder} ({error.strerror or error}): the training goes on "
                "without it."
            )
        self._given_up, self._file = True, None
