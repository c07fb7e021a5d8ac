"""What a training writes while it runs: `log.csv` and TensorBoard event files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from hubel.results import EpochRow, Run
from hubel.results.files import write_bytes
from hubel.training.events import Observer, StepEvent
from hubel.training.settings import Settings

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

_PER_STEP: Final = 10
"""One in so many steps goes to TensorBoard."""


class CsvLog(Observer):
    """Writes `log.csv`, a row a pass, whole and atomically each time."""

    def __init__(self, run: Run, rows: Sequence[EpochRow] = ()) -> None:
        self.run = run
        self.rows = list(rows)

    def passed(self, row: EpochRow) -> None:
        """Write the log with its new row."""
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, EpochRow.__dataclass_fields__, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        write_bytes(self.run.log_file, text.getvalue().encode())


class TensorBoardLog(Observer):
    """Writes event files that TensorBoard shows: loss and learning rate a step, scores a pass."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.writer: SummaryWriter | None = None

    def started(self, settings: Settings, step: int) -> None:
        """Open an event file; what a killed run wrote after `step` is hidden."""
        del settings
        from torch.utils.tensorboard.writer import SummaryWriter

        purge = step if step else None
        self.writer = SummaryWriter(str(self.run.path / "tensorboard"), purge_step=purge)

    def stepped(self, event: StepEvent) -> None:
        """Write loss and learning rate, one step in ten."""
        if self.writer is not None and event.step % _PER_STEP == 0:
            self.writer.add_scalar("step/loss", event.loss, event.step)
            self.writer.add_scalar("step/learning rate", event.lr, event.step)

    def passed(self, row: EpochRow) -> None:
        """Write the scores of a pass."""
        if self.writer is None:
            return
        for name in ("train_loss", "train_score", "val_loss", "val_score", "pictures_per_s"):
            value = float(getattr(row, name))
            if math.isfinite(value):
                self.writer.add_scalar(f"pass/{name}", value, row.step)

    def ended(self) -> None:
        """Close the event file."""
        if self.writer is not None:
            self.writer.close()
