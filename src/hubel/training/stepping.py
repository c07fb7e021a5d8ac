"""One step, which happens wholly or not at all: gradients over its pictures, then the update.

Where memory runs out, the step is taken back and repeated with half as many pictures at a time.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hubel.data.batching import Batch
from hubel.errors import TrainingError, memory_ran_out
from hubel.training.averaging import WeightAverage
from hubel.training.distribution import ALONE, World
from hubel.training.feed import Feed
from hubel.training.halving import groups, half
from hubel.training.hardware.faster import Own, faster
from hubel.training.nonfinite import NotFinite
from hubel.training.outputs import LossFunction, forward, hits, logits_of, losses_of
from hubel.training.settings import Settings
from hubel.training.undoing import Undo
from hubel.training.updating import Updater

_TOO_FEW = "Expected more than 1 value per channel"
"""How torch's batch normalisation refuses a group that has no statistics."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gradients:
    """What a step found; the gradients themselves stand at the weights."""

    loss: float
    """Mean loss of the step's pictures, of all processes."""
    hits: int
    """Right answers; 0 where the task has no classes."""
    inputs: Tensor
    """Of the last group of pictures that went through the network together."""
    targets: Tensor
    """Of the last group."""
    logits: Tensor
    """Of the last group, detached."""
    backwards: int
    """Groups that went through the network."""
    load_s: float
    forward_s: float
    loss_s: float
    backward_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """A step that is done."""

    found: Gradients
    lr: float
    """The head's learning rate."""
    update_s: float


class Stepper:
    """Takes steps:  g = ∇ Σ loss(picture) / pictures,  then the update of weights and average.

    The sum runs over all pictures of all batches that the step adds up, at most `at_once` at a
    time, also over those of other processes: each finds the gradient of its own share, whole, and
    the gradients are added up. A step that fails leaves weights, optimizer, average, buffers and
    random state as they were before it.
    """

    def __init__(
        self,
        settings: Settings,
        module: nn.Module,
        loss: LossFunction,
        updater: Updater,
        average: WeightAverage | None,
        world: World = ALONE,
    ) -> None:
        self.settings = settings
        self.module = module
        self.loss = loss
        self.updater = updater
        self.average = average
        self.world = world
        self.at_once: int | None = None
        """Most pictures at a time; None where all of a batch go at once."""
        self.seen: list[tuple[NDArray[Any], Tensor]] = []
        """Positions and losses of the pictures of the step under way, group by group."""
        self.before_update: Callable[[], None] | None = None
        """Called where gradients are as the optimizer gets them; None costs nothing."""
        own = Own(layers=settings.winograd, native=settings.native)
        self._faster = faster(module, own, compiles=settings.compile)
        self._undo: Undo | None = None
        self._updated = False

    def begin(self) -> None:
        """Look at the network anew, before a pass."""
        self._undo = Undo(self.module)

    def take(self, feed: Feed, *, place: int, step: int) -> Taken:
        """Take the step at `place` in the pass of `feed`, after `step` updates.

        Where memory runs out, `at_once` is halved and the step repeated with the same random
        state. Errors: TrainingError where memory does not suffice for one picture, or runs out in
        the middle of an update, or in one of several processes, which cannot halve alone; NotFinite
        where loss or gradient are not.
        """
        self.world.seed_draws(self.settings.seed, step)
        if self._undo is None:
            self.begin()
        assert self._undo is not None
        while True:
            self._updated = False
            try:
                self._undo.mark()
                return self._attempt(feed, place, step)
            except Exception as error:
                self._undo.back()
                reason = str(error).strip().split("\n")[0] or type(error).__name__
                too_few = self.at_once is not None and _TOO_FEW in reason
                if not memory_ran_out(error) and not too_few:
                    raise
                if self._updated or self.updater.broken_off():
                    raise TrainingError(_in_update(step + 1, reason)) from error
                if self.world.size > 1:
                    raise TrainingError(_in_share(step + 1, reason)) from error
            # Only here, after the block, has the error let go of the tensors of the step.
            feed.close()
            gc.collect()
            now = min(self.at_once or feed.loader.batch, feed.loader.batch, feed.pictures_of(place))
            if now == 1 or too_few:
                raise TrainingError(_in_step(step + 1, now, reason))
            self.at_once = half(now)

    def _attempt(self, feed: Feed, place: int, step: int) -> Taken:
        pictures = feed.pictures_of(place)
        found = self.gradients(feed.batches(place), pictures=pictures)
        started = time.perf_counter()
        lr = self.updater.update(step, self.before_update)
        self._updated = True
        if self.average:
            self.average.update(self.module, step + 1)
        return Taken(found=found, lr=lr, update_s=time.perf_counter() - started)

    def gradients(self, batches: Iterable[Batch], *, pictures: int) -> Gradients:
        """Add the gradients of `batches`, `pictures` in all, to those that the weights have.

        Errors: NotFinite where the loss is not finite; then `seen` tells whose.
        """
        times = [0.0, 0.0, 0.0, 0.0]
        total, right = 0.0, 0
        inputs = targets = logits = torch.empty(0)
        self.seen = []
        for batch in batches:
            times[0] += batch.waited_s
            # A batch that others have the pictures of takes part, lest they wait, and counts for 0.
            counted = len(batch.positions) > 0
            parts = zip(
                groups(batch.inputs, self.at_once), groups(batch.targets, self.at_once), strict=True
            )
            first = 0
            for inputs, targets in parts:
                t0 = time.perf_counter()
                with self._faster, self.world.synchronised(counted=counted):
                    outputs = forward(self.module, inputs, self.settings.precision)
                t1 = time.perf_counter()
                losses = losses_of(self.loss, outputs, targets)
                value = losses.sum() * counted / pictures
                logits = logits_of(outputs).detach()
                answers = hits(logits, targets, self.settings.task) if counted else 0
                share, answers = self.world.sums(float(value.detach()), answers)
                total, right = total + share, right + int(answers)
                last = first + len(inputs) * counted
                self.seen.append((batch.positions[first:last], losses.detach()[: last - first]))
                first = last
                if not math.isfinite(total):
                    raise NotFinite("loss", total)
                t2 = time.perf_counter()
                self.updater.scaled(value).backward()
                t3 = time.perf_counter()
                times[1:] = [times[1] + t1 - t0, times[2] + t2 - t1, times[3] + t3 - t2]
        self.world.sum_gradients(self.module.parameters())
        load_s, forward_s, loss_s, backward_s = times
        return Gradients(
            loss=total,
            hits=right,
            inputs=inputs,
            targets=targets,
            logits=logits,
            backwards=len(self.seen),
            load_s=load_s,
            forward_s=forward_s,
            loss_s=loss_s,
            backward_s=backward_s,
        )


def _in_step(step: int, pictures: int, reason: str) -> str:
    """Return the sentences about a step that is too large however it is cut."""
    return (
        f"Memory ran out in step {step:,} even with {pictures} picture{'s' * (pictures > 1)} at a "
        f"time ({reason}); the last checkpoint is intact. Try a smaller --size or --model, or give "
        "the process more memory and go on with --resume."
    )


def _in_share(step: int, reason: str) -> str:
    """Return the sentences about a share of a batch that is too large for its process."""
    return (
        f"Memory ran out in step {step:,} of one of several processes ({reason}); the last "
        "checkpoint is intact. Train with fewer --processes, or anew with a smaller --batch."
    )


def _in_update(step: int, reason: str) -> str:
    """Return the sentences about an update that broke off in its middle."""
    return (
        f"Memory ran out in step {step:,} while the weights were updated ({reason}); the last "
        "checkpoint is intact. Try a smaller --model, or give the process more memory and go on "
        "with --resume."
    )
