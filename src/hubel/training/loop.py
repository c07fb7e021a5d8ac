"""The training loop: forward, loss, backward, update; validation a pass; exact resume.

Every random choice is either a function of (seed, pass, picture), or drawn from torch's generator,
whose state stands in each checkpoint. So a run that was killed and resumed gives the same bits as
one that never was: weights, optimizer, schedule, average, position and random state all stand in
one file, written at the end of a pass, at an interrupt, and every so often between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from hubel.data.batching import Batch, BatchLoader
from hubel.results import EpochRow, Run
from hubel.training.averaging import WeightAverage
from hubel.training.body import Body
from hubel.training.budget import MILESTONES
from hubel.training.checkpoint import BEST, LAST, PREVIOUS, Checkpoint, save
from hubel.training.events import Observer, Phases, StepEvent
from hubel.training.hardware.devices import random_state, same_bits, set_random_state
from hubel.training.hardware.transfer import on_device
from hubel.training.inference import device_of
from hubel.training.outputs import LossFunction
from hubel.training.progress import Progress
from hubel.training.settings import Settings
from hubel.training.stepping import Stepper
from hubel.training.updating import Updater

Score = Callable[[nn.Module], tuple[float, float]]
"""Measures a network on the validation split: (loss, score)."""
Ending = Literal["finished", "early-stopping", "interrupted"]


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop, and its state is saved in `run`."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"stopped; go on with: hubel train --resume {run}")
        self.run = run


class Trainer:
    """Trains one network; everything it needs is handed to it."""

    def __init__(
        self,
        settings: Settings,
        module: nn.Module,
        loader: BatchLoader,
        loss: LossFunction,
        run: Run,
        *,
        validate: Score | None,
        constants: Mapping[str, Tensor],
        observers: Sequence[Observer] = (),
    ) -> None:
        self.settings = settings
        self.module = module
        self.loader = loader
        self.run_folder = run
        self.validate = validate
        self.constants = constants
        """Tensors that training does not change (whitening matrices), kept in each checkpoint."""
        self.observers = observers
        self.stepper = Stepper(settings, module, loss, loader.source.index.keys)
        self.device = device_of(module)
        self.updater = Updater(settings, module)
        self.body = Body(module, settings.head) if settings.freeze_epochs else None
        self.average = WeightAverage(module, settings.ema) if settings.ema else None
        self.progress = Progress()
        self.stop_asked = False
        self._saved_at = self._ticked_at = time.perf_counter()

    def train(self) -> Ending:
        """Train from where the state stands to the end of the plan.

        Errors: Interrupted where `stop_asked` was set (the state is saved then); TrainingError
        where the loss is not finite; PictureError where a picture can no longer be read.
        """
        self._tell(lambda observer: observer.started(self.settings, self.progress.step))
        self._ticked_at = time.perf_counter()
        try:
            with same_bits(self.device):
                return self._passes()
        finally:
            self._tell(lambda observer: observer.ended())

    def rehearse(self, seconds: float, least: int = 6) -> float:
        """Return the mean time of a step, loading included, in seconds, by training for a while.

        Changes the weights and the random state and saves nothing: use it on a trainer of its own,
        with a copy of the network. The first two steps warm up and are not counted.
        """
        times: list[float] = []
        began = time.perf_counter()
        self.module.train()
        while len(times) < least or time.perf_counter() - began < seconds:
            batches = on_device(self.loader.epoch(0), self.device)
            self.progress.step = 0
            for _ in range(self.settings.steps_per_pass):
                started = time.perf_counter()
                self._update(batches, 0)
                self.progress.step += 1
                now = time.perf_counter()
                times.append(now - started)
                if len(times) >= least and now - began >= seconds:
                    break
            batches.close()
        return sum(times[2:]) / len(times[2:])

    def ask_to_stop(self) -> None:
        """Stop after the step under way, with the state saved."""
        self.stop_asked = True

    @property
    def evaluated(self) -> nn.Module:
        """The network whose weights are validated and kept: the average where there is one."""
        return self.average.module if self.average else self.module

    def _passes(self) -> Ending:
        progress = self.progress
        if progress.rows and self._out_of_patience(progress.rows[-1]):
            return "early-stopping"  # It was killed after its last pass.
        while progress.step < self.updater.timeline.total:
            self._one_pass()
            row = self._close_pass()
            self._stop_if_asked()
            if self._out_of_patience(row):
                return "early-stopping"
        return "finished"

    def _one_pass(self) -> None:
        """Go on with the pass under way until it, or the plan, ends."""
        settings, progress = self.settings, self.progress
        done = progress.step // settings.steps_per_pass
        in_pass = progress.step % settings.steps_per_pass
        end_of_pass = (done + 1) * settings.steps_per_pass
        self.module.train()
        frozen = done < settings.freeze_epochs
        if self.body is not None:
            self.body.freeze(frozen=frozen)
        batches = on_device(self.loader.epoch(done, in_pass * settings.accumulate), self.device)
        try:
            more = True
            while more:
                event = self._update(batches, done)
                progress.step += 1
                spent = self._tick()
                progress.pass_seconds += spent
                progress.frozen_s += spent if frozen else 0.0
                self._revise_budget()
                more = progress.step < min(end_of_pass, self.updater.timeline.total)
                self._after_step(event, more=more)
        finally:
            batches.close()

    def _tick(self) -> float:
        """Add the time since the last tick to the training's seconds, and return it."""
        now = time.perf_counter()
        passed, self._ticked_at = now - self._ticked_at, now
        self.progress.seconds += passed
        return passed

    def _revise_budget(self) -> None:
        """At a milestone of a budget, fit the rest of the schedule into the time that is left."""
        budget_s, timeline, step = self.settings.budget_s, self.updater.timeline, self.progress.step
        # Steps with a frozen body are too fast to tell what the others will take.
        quick = self.settings.freeze_epochs * self.settings.steps_per_pass
        if budget_s is None or step <= quick or step in {at for at, _ in timeline.revisions}:
            return
        before, now = (timeline.place(at) / timeline.planned for at in (step - 1, step))
        if not any(before < milestone <= now for milestone in MILESTONES):
            return
        seconds = (self.progress.seconds - self.progress.frozen_s) * step / (step - quick)
        left_s = budget_s - self.progress.seconds
        self.updater.timeline = timeline.revised(step, seconds, left_s)
        self._tell(lambda observer: observer.revised(self.updater.timeline))

    def _after_step(self, event: StepEvent, *, more: bool) -> None:
        self._tell(lambda observer: observer.stepped(event))
        if not more:
            # The pass is closed first, so that a resumed run need not close it.
            return
        if self.stop_asked or (
            time.perf_counter() - self._saved_at >= self.settings.checkpoint_every_s
        ):
            self.save_checkpoint()
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self.stop_asked:
            raise Interrupted(self.run_folder.path)

    def _update(self, batches: Generator[Batch], pass_index: int) -> StepEvent:
        """Add up the gradients of `accumulate` batches, then change the weights once."""
        progress = self.progress
        pictures = self._pictures_of_step()
        found = self.stepper.gradients(
            islice(batches, self._batches_of_step()),
            pictures=pictures,
            step=progress.step + 1,
            scale=self.updater.scaled,
        )
        started = time.perf_counter()
        lr = self.updater.update(progress.step)
        if self.average:
            self.average.update(self.module, progress.step + 1)
        progress.loss_sum += found.loss * pictures
        progress.hits += found.hits
        progress.pictures += pictures
        progress.waited_s += found.load_s
        return StepEvent(
            step=progress.step + 1,
            pass_number=pass_index + 1,
            lr=lr,
            loss=found.loss,
            accuracy=self._accuracy(),
            pictures=pictures,
            inputs=found.inputs,
            outputs=found.logits,
            module=self.module,
            phases=Phases(
                load_ms=found.load_s * 1e3,
                forward_ms=found.forward_s * 1e3,
                loss_ms=found.loss_s * 1e3,
                backward_ms=found.backward_s * 1e3,
                update_ms=(time.perf_counter() - started) * 1e3,
            ),
        )

    def _batches_of_step(self) -> int:
        """Return how many batches the step under way adds up: fewer at the end of a pass."""
        first = self.progress.step % self.settings.steps_per_pass * self.settings.accumulate
        return min(self.settings.accumulate, len(self.loader) - first)

    def _pictures_of_step(self) -> int:
        """Return how many pictures the step under way sees."""
        first = self.progress.step % self.settings.steps_per_pass * self.settings.accumulate
        last = first + self._batches_of_step()
        seen = min(last * self.settings.batch, len(self.loader.positions))
        return seen - first * self.settings.batch

    def _accuracy(self) -> float:
        """Return the share of right answers in the pass so far; NaN without classes."""
        if self.settings.task != "classification":
            return math.nan
        return self.progress.hits / self.progress.pictures

    def _close_pass(self) -> EpochRow:
        """Validate, log, remember the best, and write a checkpoint."""
        progress, settings = self.progress, self.settings
        val_loss, val_score = math.nan, math.nan
        if self.validate is not None:
            val_loss, val_score = self.validate(self.evaluated)
            if self.updater.plateau is not None:
                self.updater.plateau.update(val_loss)
        self._tick()
        epoch = -(-progress.step // settings.steps_per_pass)
        row = EpochRow(
            epoch=epoch,
            step=progress.step,
            lr=self.updater.rate(progress.step - 1),
            train_loss=progress.loss_sum / progress.pictures,
            train_score=self._accuracy(),
            val_loss=val_loss,
            val_score=val_score,
            pictures_per_s=progress.pictures / progress.pass_seconds,
            waiting_share=progress.waited_s / progress.pass_seconds,
            seconds=progress.seconds,
        )
        progress.rows.append(row)
        progress.loss_sum, progress.hits, progress.pictures = 0.0, 0, 0
        progress.waited_s, progress.pass_seconds = 0.0, 0.0
        # On a tie the later weights are kept: they have seen more.
        if math.isnan(val_score) or val_score >= progress.best_score:
            progress.best_score = -math.inf if math.isnan(val_score) else val_score
            progress.best_epoch = epoch
            self._save_best()
        self.save_checkpoint()
        self._tell(lambda observer: observer.passed(row))
        return row

    def _out_of_patience(self, row: EpochRow) -> bool:
        patience = self.settings.patience
        since = max(self.progress.best_epoch, self.settings.extended_after)
        return bool(patience) and row.epoch - since >= patience

    def _save_best(self) -> None:
        tensors = {f"model.{name}": t for name, t in self.evaluated.state_dict().items()}
        checkpoint = Checkpoint(tensors | self._constants(), {"epoch": self.progress.best_epoch})
        save(self.run_folder.checkpoints / BEST, checkpoint)

    def _constants(self) -> dict[str, Tensor]:
        return {f"preprocessing.{name}": tensor for name, tensor in self.constants.items()}

    def save_checkpoint(self) -> None:
        """Write all state to the run folder; the checkpoint before it stays as `previous`."""
        path = self.run_folder.checkpoints / LAST
        save(path, self._state(), keep=self.run_folder.checkpoints / PREVIOUS)
        self._saved_at = time.perf_counter()
        self._tell(lambda observer: observer.saved(path))

    def _state(self) -> Checkpoint:
        tensors = {f"model.{name}": t for name, t in self.module.state_dict().items()}
        if self.average:
            averaged = self.average.module.state_dict()
            tensors |= {f"ema.{name}": tensor for name, tensor in averaged.items()}
        updater_tensors, updater_values = self.updater.state()
        tensors |= {f"optimizer.{name}": tensor for name, tensor in updater_tensors.items()}
        states = random_state(self.device)
        tensors |= {f"rng.{name}": state for name, state in states.items()}
        values: dict[str, Any] = {
            **self.progress.values(),
            "updater": updater_values,
        }
        return Checkpoint(tensors | self._constants(), values)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the state of a checkpoint, random state included."""
        self.module.load_state_dict(checkpoint.part("model"))
        if self.average:
            self.average.load(checkpoint.part("ema"))
        self.updater.restore(checkpoint.part("optimizer"), checkpoint.values["updater"])
        set_random_state(self.device, checkpoint.part("rng"))
        self.progress = Progress.from_values(checkpoint.values)

    def _tell(self, call: Callable[[Observer], None]) -> None:
        for observer in self.observers:
            call(observer)
