"""The training loop: forward, loss, backward, update; validation a pass; exact resume.

Every random choice is either a function of (seed, pass, picture), or drawn from torch's generator,
whose state stands in each checkpoint. So a run that was killed and resumed gives the same bits as
one that never was: weights, optimizer, schedule, average, position and random state all stand in
one file, written at the end of a pass, at an interrupt, and every so often between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from hubel.data.batching import BatchLoader
from hubel.errors import PictureError, TrainingError, memory_ran_out
from hubel.results import EpochRow, Run
from hubel.training.averaging import WeightAverage
from hubel.training.body import Body
from hubel.training.budget import MILESTONES
from hubel.training.checkpoint import Checkpoint
from hubel.training.distribution import ALONE, World
from hubel.training.events import Observer, Phases, StepEvent, told_before_update
from hubel.training.feed import Feed
from hubel.training.halving import Halvings, Room
from hubel.training.hardware.devices import same_bits
from hubel.training.inference import device_of
from hubel.training.keeping import Keeping
from hubel.training.nonfinite import Limits, NotFinite, refusal_of, stopped, undone
from hubel.training.outputs import LossFunction, share_of_right
from hubel.training.portions import Portions
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
        portions: Portions | None = None,
        world: World = ALONE,
    ) -> None:
        self.settings = settings
        self.module = module
        self.loader = loader
        self.run_folder = run
        self.validate = validate
        self.observers = observers
        self.device = device_of(module)
        self.world = world
        """The processes that train together; the first one writes and decides."""
        self.updater = Updater(settings, module)
        self.body = Body(module, settings.head) if settings.freeze_epochs else None
        self.average = WeightAverage(module, settings.ema) if settings.ema else None
        self.stepper = Stepper(settings, module, loss, self.updater, self.average, world)
        self.portions = portions or Portions()
        """How `validate` cuts its batches where memory does not suffice."""
        planned = settings.micro_batch if 0 < settings.micro_batch < settings.batch else None
        self.room = Room(
            Halvings(settings.halvings, planned), Halvings(settings.validation_halvings)
        )
        self.progress = Progress()
        self.keeping = Keeping(run, module, self.average, self.updater, constants)
        self.stop_asked = False
        self._saved_at = self._ticked_at = time.perf_counter()

    def train(self) -> Ending:
        """Train from where the state stands to the end of the plan.

        Errors: Interrupted where `stop_asked` was set (the state is saved then); TrainingError
        where the loss is not finite, a picture can no longer be read, or memory does not suffice.
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
        self.stepper.at_once = self.room.training.at_once(0)
        more = True
        while more:
            feed = Feed(self.loader, 0, self.settings.accumulate, self.device)
            for step in range(self.settings.steps_per_pass):
                started = time.perf_counter()
                with suppress(NotFinite):
                    self.stepper.take(feed, place=step, step=step)
                now = time.perf_counter()
                times.append(now - started)
                more = bool(self.world.decided(len(times) < least or now - began < seconds))
                if not more:
                    break
            feed.close()
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
            if self._stops():
                raise Interrupted(self.run_folder.path)
            if self._out_of_patience(row):
                return "early-stopping"
        return "finished"

    def _one_pass(self) -> None:
        """Go on with the pass under way until it, or the plan, ends."""
        settings, progress = self.settings, self.progress
        done = progress.step // settings.steps_per_pass
        end_of_pass = (done + 1) * settings.steps_per_pass
        self.module.train()
        frozen = done < settings.freeze_epochs
        if self.body is not None:
            self.body.freeze(frozen=frozen)
        self.stepper.begin()
        self._tick()  # What was saved since the pass before is no part of this one.
        feed = Feed(self.loader, done, settings.accumulate, self.device)
        try:
            more = True
            while more:
                event = self._update(feed)
                progress.step += 1
                spent = self._tick()
                progress.pass_seconds += spent
                progress.frozen_s += spent if frozen else 0.0
                self._revise_budget()
                more = progress.step < min(end_of_pass, self.updater.timeline.total)
                self._after_step(event, more=more)
        finally:
            feed.close()

    def _tick(self) -> float:
        """Add the time since the last tick to the training's seconds, and return it."""
        now = time.perf_counter()
        passed, self._ticked_at = self.world.decided(now - self._ticked_at), now
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

    def _after_step(self, event: StepEvent | None, *, more: bool) -> None:
        if event is not None:
            self._tell(lambda observer: observer.stepped(event))
        if not more:
            # The pass is closed first, so that a resumed run need not close it.
            return
        stop = self._stops()
        if stop:
            self.save_checkpoint()
        elif time.perf_counter() - self._saved_at >= self.settings.checkpoint_every_s:
            self._save_if_memory_suffices()
        if stop:
            raise Interrupted(self.run_folder.path)

    def _stops(self) -> bool:
        """Return whether any process was asked to stop, or has lost its launcher."""
        return self.world.any(here=self.stop_asked or self.world.orphaned)

    def _update(self, feed: Feed) -> StepEvent | None:
        """Take the step under way; None where it was undone and left out."""
        progress = self.progress
        place = progress.step % self.settings.steps_per_pass
        self.stepper.at_once = self.room.training.at_once(progress.step)
        self.stepper.before_update = told_before_update(
            self.observers, progress.step + 1, self.module
        )
        try:
            taken = self.stepper.take(feed, place=place, step=progress.step)
        except NotFinite as error:
            self._refuse(error)
            return None
        except PictureError as error:
            self.save_checkpoint()
            raise self._unreadable(error) from error
        self._narrow(
            self.room.after_step(
                progress.step, self.loader.batch, self.stepper.at_once, self.module
            )
        )
        progress.in_a_row = 0
        found, pictures = taken.found, feed.pictures_of(place)
        progress.loss_sum += found.loss * pictures
        progress.hits += found.hits
        progress.pictures += pictures
        progress.waited_s += found.load_s
        return StepEvent(
            step=progress.step + 1,
            pass_number=feed.pass_index + 1,
            lr=taken.lr,
            loss=found.loss,
            accuracy=self._accuracy(),
            step_accuracy=share_of_right(self.settings.task, found.hits, pictures),
            pictures=pictures,
            backwards=found.backwards,
            inputs=found.inputs,
            targets=found.targets,
            outputs=found.logits,
            module=self.module,
            phases=Phases(
                load_ms=found.load_s * 1e3,
                forward_ms=found.forward_s * 1e3,
                loss_ms=found.loss_s * 1e3,
                backward_ms=found.backward_s * 1e3,
                update_ms=taken.update_s * 1e3,
            ),
        )

    def _narrow(self, sentence: str) -> None:
        """Record before any checkpoint depends on it that memory ran out, where it did."""
        if sentence:
            self._tell(lambda observer: observer.halved(self.room.training, self.room.validation))
            self._say(sentence)

    def _refuse(self, error: NotFinite) -> None:
        """Leave out the step under way, which was undone; TrainingError where that ends it all."""
        progress = self.progress
        limits = Limits(self.updater.timeline.total)
        limit = limits.broken(progress.undone + 1, progress.in_a_row + 1)
        found = self.world.gather(self.stepper.seen)
        seen = self.world.share([part for parts in found for part in parts])
        refusal = refusal_of(
            error,
            seen,
            self.loader.source.index.keys,
            step=progress.step + 1,
            pass_number=progress.step // self.settings.steps_per_pass + 1,
            left_out=self.settings.non_finite == "skip" and not limit,
        )
        self._tell(lambda observer: observer.refused(refusal))
        if refusal.left_out:
            progress.undone, progress.in_a_row = progress.undone + 1, progress.in_a_row + 1
            self._say(undone(refusal))
            return
        finite = all(bool(weight.isfinite().all()) for weight in self.module.parameters())
        if finite:
            self.save_checkpoint()
        raise TrainingError(stopped(refusal, self.run_folder, limit, saved=finite))

    def _unreadable(self, error: PictureError) -> TrainingError:
        return TrainingError(
            f"A picture cannot be read any more: {error}; the training is saved. Bring the picture "
            f"back and go on with: hubel train --resume {self.run_folder.path}"
        )

    def _accuracy(self) -> float:
        """Return the share of right answers in the pass so far; NaN without classes."""
        return share_of_right(self.settings.task, self.progress.hits, self.progress.pictures)

    def _close_pass(self) -> EpochRow:
        """Validate, log, remember the best, and write a checkpoint."""
        progress, settings = self.progress, self.settings
        val_loss, val_score = math.nan, math.nan
        if self.validate is not None:
            val_loss, val_score = self._validated(self.validate)
            if self.updater.plateau is not None:
                self.updater.plateau.update(val_loss)
        self._tick()
        epoch = -(-progress.step // settings.steps_per_pass)
        row = EpochRow(
            epoch=epoch,
            step=progress.step,
            lr=self.updater.rate(progress.step - 1),
            train_loss=progress.loss_sum / progress.pictures if progress.pictures else math.nan,
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
            if self.world.is_writer:
                self.keeping.save_best(self.evaluated, epoch)
        self.save_checkpoint()
        self._tell(lambda observer: observer.passed(row))
        return row

    def _validated(self, validate: Score) -> tuple[float, float]:
        """Return loss and score on the validation split."""
        step = self.progress.step
        self.portions.at_once = self.room.validation.at_once(step)
        try:
            loss, score = validate(self.evaluated)
        except PictureError as error:
            # The last checkpoint stays: with one of now, a resumed run would not validate.
            raise self._unreadable(error) from error
        self._narrow(self.room.after_validation(step, self.portions.at_once))
        return loss, score

    def _out_of_patience(self, row: EpochRow) -> bool:
        patience = self.settings.patience
        since = max(self.progress.best_epoch, self.settings.extended_after)
        return bool(patience) and row.epoch - since >= patience

    def save_checkpoint(self) -> None:
        """Write all state to the run folder; the checkpoint before it stays as `previous`."""
        if not self.world.is_writer:
            return
        self._tell(lambda observer: observer.saving(self.progress.step))
        path = self.keeping.save(self.progress)
        self._saved_at = time.perf_counter()
        self._tell(lambda observer: observer.saved(path))

    def _save_if_memory_suffices(self) -> None:
        """Write a checkpoint inside a pass; without the memory to do so, the one before stays."""
        try:
            self.save_checkpoint()
            return
        except Exception as error:
            if not memory_ran_out(error):
                raise
        self._saved_at = time.perf_counter()
        self._say(
            f"Memory ran out while the checkpoint after step {self.progress.step:,} was written; "
            "the one before it is intact, and the training goes on."
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the state of a checkpoint, random state included."""
        self.progress = self.keeping.restore(checkpoint)

    def _say(self, sentence: str) -> None:
        self._tell(lambda observer: observer.said(sentence))

    def _tell(self, call: Callable[[Observer], None]) -> None:
        for observer in self.observers:
            call(observer)
