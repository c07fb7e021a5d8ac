"""The doctor inside `hubel train`: measures, says in one line what is wrong, and may stop it.

It never changes a bit of the training. Of several processes only the one that writes has a doctor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from torch import nn

from hubel.data.dataset import Dataset
from hubel.data.source import VAL
from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.record import EvaluationRow, Event, Record, StepRow
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.watching.batches import batch_row
from hubel.diagnosis.watching.weights import Change
from hubel.errors import RunError
from hubel.options.train import StopOn
from hubel.results import EpochRow, Provenance, Run
from hubel.training.events import Observer, Refusal, StepEvent
from hubel.training.loop import Trainer
from hubel.training.provenance import provenance
from hubel.training.settings import Settings
from hubel.workflows.doctor.describing import describe, first_look, weights_digest
from hubel.workflows.doctor.judging import Judge
from hubel.workflows.doctor.probing import Prober, pictures_at, some_pictures
from hubel.workflows.doctor.sampling import Sampling
from hubel.workflows.doctor.telemetry import STAGE, Telemetry, cut, read_telemetry, write_telemetry

_NAMED: Final = 3


class Doctor(Observer):
    """Watches one training of `hubel train`.

    Whatever goes wrong with the watching itself ends the watching and not the training.
    """

    def __init__(
        self,
        run: Run,
        trainer: Trainer,
        dataset: Dataset,
        say: Callable[[str], None],
        stop_on: StopOn | None = None,
    ) -> None:
        self.run = run
        self.trainer = trainer
        self.dataset = dataset
        self.judge = Judge(run, say, stop_on, self._origin)
        self.record = Record()
        self._say = say
        self._setting: Setting | None = None
        self._start = ""
        self._prober: Prober | None = None
        self._modes: list[EvaluationRow] = []
        """Losses of the probe in both modes; those of passes stand in the training's own log."""
        self._sampling = Sampling(
            trainer.settings.steps, trainer.settings.batch * trainer.settings.accumulate
        )
        self._change: Change | None = None
        self._looked = 0
        """Updates at the last look at the end of a pass."""
        self._gone = False
        self._unwritten = False
        self._spent_s = self._trained_s = self._in_step_s = 0.0
        self._ticked_at = time.perf_counter()

    def started(self, settings: Settings, step: int) -> None:
        """Take up the record of a run that goes on, else look at the network first."""
        del settings
        with self._measuring():
            kept = self._kept(step)
            self._prober = Prober(self.trainer)
            if kept is not None:
                self.record, self._setting, self._start = kept.record, kept.setting, kept.start
                self._modes = _without(self.record.evaluations, self._of_passes())
            else:
                self._begin(self._prober, step)
        self._ticked_at = time.perf_counter()

    def watches(self, step: int) -> bool:
        """Whether the update of a step is measured."""
        return not self._gone and self._sampling.weights(step)

    def updating(self, step: int, module: nn.Module) -> None:
        """Measure gradients and weights before an update."""
        with self._measuring(in_step=True):
            self._change = Change(dict(module.named_parameters()), initial=step == 1)

    def stepped(self, event: StepEvent) -> None:
        """Add the rows of a step."""
        now = time.perf_counter()
        took_s = max(now - self._ticked_at - self._in_step_s, 0.0)
        self._trained_s += took_s
        self._in_step_s = 0.0
        if self._gone:
            return
        self.record.add_step(
            StepRow(
                step=event.step,
                pass_number=event.pass_number,
                loss=event.loss,
                lr=event.lr,
                pictures=event.pictures,
                accuracy=event.step_accuracy,
                waited_s=round(event.phases.load_ms / 1e3, 6),
                took_s=round(took_s, 6),
                backwards=event.backwards,
                training=event.module.training,
            )
        )
        with self._measuring():
            self._sample(event)
        self._ticked_at = time.perf_counter()

    def refused(self, refusal: Refusal) -> None:
        """Keep that a step was undone, for which pictures, and which module broke first."""
        self._change = None
        of_loss = refusal.what == "loss"
        pairs = zip(refusal.pictures, refusal.losses, strict=True)
        broken = [name for name, one in pairs if not math.isfinite(one)]
        self.record.events.append(
            Event(
                step=refusal.step,
                kind=events.NON_FINITE_LOSS if of_loss else events.NON_FINITE_GRADIENT,
                where=tuple(broken[:_NAMED]),
                detail=f"the {refusal.what} was {refusal.value}, the step was undone",
            )
        )
        if of_loss and not any(one.kind == events.NON_FINITE_MODULE for one in self.record.events):
            with self._measuring():
                self._replay(refusal.step)

    def _replay(self, step: int) -> None:
        """Find the first module whose output is not finite for the pictures that were seen last."""
        positions, losses = self.trainer.stepper.seen[-1]
        wrong = ~losses.isfinite().cpu().numpy()
        chosen = positions[wrong] if wrong.any() else positions
        if self._prober is None or not len(chosen):
            return
        inputs = pictures_at(self.trainer.loader, chosen, self.trainer.device)
        path, why = self._prober.first_not_finite(inputs)
        where = (path,) if path else ()
        found = Event(step=step, kind=events.NON_FINITE_MODULE, where=where, detail=why)
        self.record.events.append(found)

    def passed(self, row: EpochRow) -> None:
        """Look at the record at the end of a pass."""
        if self._sampling.examined(row.step, self._looked, at_end=True):
            # Early looks do not count: the end of a pass has an evaluation that they had not.
            self._looked = row.step
            with self._measuring():
                self._look(row.step)
        self._ticked_at = time.perf_counter()

    def saving(self, step: int) -> None:
        """Write the record before the checkpoint that a resumed run would cut it back to."""
        del step
        if self.run.path.is_dir():
            self._write()

    def saved(self, path: Path) -> None:
        """Write the record again where the run folder was lost."""
        del path
        if not self.run.stage_file(STAGE).exists():
            self._write()
        self._ticked_at = time.perf_counter()

    def conclude(self) -> None:
        """Write `diagnosis.json`: what can be said without active tests."""
        with self._measuring():
            if self._setting is not None:
                self._bring_up_to_date()
                self.judge.conclude(self._setting, self.record, self.trainer.progress.step)

    def reason(self) -> str:
        """Return the sentences with which the doctor stopped the training; empty if it did not."""
        return self.judge.reason(self.trainer.progress.step)

    def _kept(self, step: int) -> Telemetry | None:
        """Return what was measured up to step `step` before; None where nothing usable was."""
        try:
            telemetry = read_telemetry(self.run) if step else None
        except RunError as error:
            self._say(f"{error} The doctor begins a new record.")
            return None
        if telemetry is not None:
            cut(telemetry.record, step)
        return telemetry

    def _begin(self, prober: Prober, step: int) -> None:
        trainer = self.trainer
        look = first_look(trainer, prober.pictures)
        self._setting = describe(trainer, look)
        if step:
            return  # The run began without a doctor: how it began is not known.
        self._start = weights_digest(trainer.module)
        self.record.initial_loss = look.initial_loss
        self._probe_units(0, 1)
        validated = self.dataset.positions(VAL)
        if len(validated):
            few = some_pictures(trainer.loader, self.dataset, validated)
            self.record.batches.append(batch_row(0, "val", few.inputs, few.targets))

    def _sample(self, event: StepEvent) -> None:
        """Measure what is to be measured after a step, and look at it early on."""
        step = event.step
        if self._change is not None:
            self.record.weights += self._change.rows(step)
            self._change = None
        if self._sampling.batch(step):
            self.record.batches.append(batch_row(step, "train", event.inputs, event.targets))
        if self._sampling.units(step, self.trainer.updater.timeline.total):
            self._probe_units(step, event.pass_number)
        if self._sampling.examined(step, self._looked, at_end=False):
            self._look(step)

    def _probe_units(self, step: int, pass_number: int) -> None:
        assert self._prober is not None
        units, modes = self._prober.measure(step, pass_number)
        self.record.units += units
        self._modes += modes

    def _look(self, step: int) -> None:
        """Examine the record, and ask for a stop where that is wanted."""
        if self._setting is not None:
            self._bring_up_to_date()
            if self.judge.look(self._setting, self.record, step):
                self.trainer.ask_to_stop()

    def _origin(self) -> Provenance:
        settings = self.trainer.settings
        return provenance(
            seed=settings.seed,
            data_digest=self.dataset.inspection.digest,
            threads=settings.threads,
        )

    def _bring_up_to_date(self) -> None:
        """Take evaluations out of the training's own log, which each checkpoint has whole."""
        found = [*self._of_passes(), *self._modes]
        self.record.evaluations = sorted(found, key=lambda row: row.step)
        whole_s = self._trained_s + self._spent_s
        self.record.probe_overhead = self._spent_s / whole_s if whole_s else 0.0

    def _of_passes(self) -> list[EvaluationRow]:
        seen, validated = len(self.trainer.loader.positions), len(self.dataset.positions(VAL))
        rows = self.trainer.progress.rows
        return [one for row in rows for one in _evaluations(row, seen, validated)]

    def _write(self) -> None:
        """Write the record; a training does not end because that fails."""
        if self._setting is None:
            return
        with self._measuring():
            self._bring_up_to_date()
            telemetry = Telemetry(setting=self._setting, record=self.record, start=self._start)
            try:
                write_telemetry(self.run, telemetry)
            except RunError as error:
                if not self._unwritten:
                    self._say(f"{error} The training goes on; the doctor's record is tried again.")
                self._unwritten = True
            else:
                self._unwritten = False

    @contextmanager
    def _measuring(self, *, in_step: bool = False) -> Generator[None]:
        """Count the time of a measurement; where one fails, watch no more, and say so once."""
        if self._gone:
            yield
            return
        began = time.perf_counter()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - no training ends because it cannot be watched
            self._gone = True
            self._change = None
            first = (str(error).strip().splitlines() or [""])[0]
            why = f"{type(error).__name__}: {first}".rstrip(": .")
            self._say(f"The doctor cannot watch this training ({why}); it goes on without.")
        finally:
            passed = time.perf_counter() - began
            self._spent_s += passed
            self._in_step_s += passed if in_step else 0.0


def _evaluations(row: EpochRow, seen: int, validated: int) -> list[EvaluationRow]:
    """Return what a pass measured on the training split, while it trained, and on validation."""
    step, number = row.step, row.epoch
    rows = [
        EvaluationRow(
            step=step, pass_number=number, split="train", mode="train", loss=row.train_loss,
            accuracy=row.train_score, pictures=seen,
        )
    ]  # fmt: skip
    if not math.isnan(row.val_loss):
        rows.append(
            EvaluationRow(
                step=step, pass_number=number, split="val", mode="eval", loss=row.val_loss,
                accuracy=row.val_score, pictures=validated,
            )
        )  # fmt: skip
    return rows


def _without(rows: Sequence[EvaluationRow], others: Sequence[EvaluationRow]) -> list[EvaluationRow]:
    """Return the rows that are about something else than all the others are."""
    known = {(row.step, row.split, row.mode, row.pictures) for row in others}
    return [row for row in rows if (row.step, row.split, row.mode, row.pictures) not in known]
