"""How a training looks on a terminal: a live bar; elsewhere, plain lines."""

from __future__ import annotations

import math
import time
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from hubel.cli.tables import findings_table, settings_table
from hubel.results import Check, EpochRow, Inspection, Plan, Run
from hubel.training.budget import Timeline
from hubel.training.duration import spoken
from hubel.training.events import StepEvent
from hubel.training.settings import Settings
from hubel.workflows.watching import Watcher

_SMOOTH: Final = 0.95
_VERBOSE_STEPS: Final = 3


class TerminalWatcher(Watcher):
    """Draws scanning, plan, steps and passes on a console."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self.console = console
        self.verbose = verbose
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task: TaskID | None = None
        self.loss = math.nan
        self.rate = math.nan
        self.since = time.perf_counter()
        self.steps_per_pass = 1
        self.score_name = "accuracy"

    def scanning(self, done: int, total: int) -> None:
        """Move the bar of the pictures that were looked at."""
        if self.task is None:
            self.bar.start()
            self.task = self.bar.add_task("looking at pictures", total=total, figures="")
        self.bar.update(self.task, completed=done)

    def _clear(self) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None
        self.bar.stop()

    def inspected(self, inspection: Inspection) -> None:
        """Print what is there in a line, and what is wrong with it."""
        self._clear()
        splits = ", ".join(f"{count} {name}" for name, count in inspection.splits.items())
        classes = f"{len(inspection.classes)} classes" if inspection.classes else inspection.task
        self.console.print(
            f"[bold]{inspection.source}[/]: {inspection.pictures} pictures, {classes}; {splits}"
        )
        if inspection.findings:
            self.console.print(findings_table(inspection.findings, most=6))

    def planned(self, run: Run, plan: Plan) -> None:
        """Print where results go and what was chosen."""
        self.score_name = {"classification": "accuracy", "multilabel": "mAP"}.get(
            plan["task"], "R²"
        )
        self.console.print(settings_table(plan))
        self.console.print(f"Results go to [bold]{run.path}[/]")

    def checked(self, check: Check) -> None:
        """Print what is wrong with the network's design; notes are only counted."""
        grave = [finding for finding in check.findings if finding.severity != "note"]
        notes = len(check.findings) - len(grave)
        if grave:
            self.console.print(findings_table(grave, most=6, verb="check"))
        if notes:
            self.console.print(
                f"{notes} note{'s' if notes > 1 else ''} on the network's design in check.json"
            )

    def started(self, settings: Settings, step: int) -> None:
        """Show the bar of the training."""
        self._clear()
        self.steps_per_pass = settings.steps_per_pass
        self.bar.start()
        total = Timeline(settings.steps, settings.revisions).total
        self.task = self.bar.add_task("training", total=total, completed=step, figures="")
        self.since = time.perf_counter()

    def stepped(self, event: StepEvent) -> None:
        """Move the bar; show the four parts of the first iterations where asked to."""
        if self.verbose and event.step <= _VERBOSE_STEPS:
            self._show_phases(event)
        now = time.perf_counter()
        rate = event.pictures / max(now - self.since, 1e-9)
        self.since = now
        if math.isnan(self.loss):
            self.loss, self.rate = event.loss, rate
        self.loss = _SMOOTH * self.loss + (1 - _SMOOTH) * event.loss
        self.rate = _SMOOTH * self.rate + (1 - _SMOOTH) * rate
        right = "" if math.isnan(event.accuracy) else f"  accuracy {event.accuracy:.1%}"
        if self.task is not None:
            self.bar.update(
                self.task,
                completed=event.step,
                description=f"pass {event.pass_number}",
                figures=f"loss {self.loss:.4f}{right}  {self.rate:,.0f} pictures/s",
            )

    def _show_phases(self, event: StepEvent) -> None:
        phases = event.phases
        gradients = [w.grad for w in event.module.parameters() if w.grad is not None]
        weights = sum(weight.numel() for weight in event.module.parameters())
        lines = [
            f"step {event.step}",
            f"  load      {phases.load_ms:8.1f} ms  {_shape(event.inputs.shape)} pictures",
            f"  forward   {phases.forward_ms:8.1f} ms  -> {_shape(event.outputs.shape)} outputs",
            f"  loss      {phases.loss_ms:8.1f} ms  {event.loss:.5f}",
            f"  backward  {phases.backward_ms:8.1f} ms  gradient of {weights:,} weights",
            f"  update    {phases.update_ms:8.1f} ms  learning rate {event.lr:.3g}",
        ]
        assert not gradients, "an update clears the gradients"
        self.console.print("\n".join(lines), markup=False)

    def revised(self, timeline: Timeline) -> None:
        """Bring the bar to the revised number of steps."""
        if self.task is None or timeline.total == self.bar.tasks[0].total:
            return
        self.bar.update(self.task, total=timeline.total)
        self.said(f"Step times have changed: {timeline.total:,} steps in all keep the budget.")

    def passed(self, row: EpochRow) -> None:
        """Print a line a pass."""
        parts = [f"pass {row.epoch:>3}", f"loss {row.train_loss:.4f}"]
        if not math.isnan(row.train_score):
            parts.append(f"train {row.train_score:.2%}")
        if not math.isnan(row.val_loss):
            score = f"{row.val_score:.2%}" if self.score_name != "R²" else f"{row.val_score:.4f}"
            parts.append(f"val loss {row.val_loss:.4f}  {self.score_name} {score}")
        parts.append(f"{row.pictures_per_s:,.0f} pictures/s  {spoken(row.seconds)}")
        self.console.print("  ".join(parts), markup=False, soft_wrap=True)

    def said(self, sentence: str) -> None:
        """Print a sentence."""
        self.console.print(sentence, markup=False)

    def ended(self) -> None:
        """Take the bar away."""
        self._clear()


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
