"""Learning-rate schedules: the rate is a pure function of the step, so a resume needs no state.

Plateau alone looks at the validation loss; its state is two numbers, kept in `Plateau`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hubel.errors import UsageError, look_up

ONECYCLE_START = 25.0
ONECYCLE_END = 1e4
ONECYCLE_RISE = 0.3
CYCLIC_FLOOR = 0.1
CYCLIC_PASSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The learning rate of each of `steps` updates, at most `peak`.

    The first `warmup` = round(warmup_share * steps) steps rise linearly, peak (t + 1) / warmup
    (cyclic and onecycle rise by themselves); after them, with x = t - warmup of n = steps - warmup:

    constant     peak
    step         peak factor^k, factor 0.1, after k of the milestones, which are shares of n;
                 without any, peak factor^floor(x / ceil(n / 3))
    linear       peak (1 - x / n)
    exponential  peak 0.01^(x / n)
    plateau      peak, times the factor of `Plateau`
    cosine       peak (1 + cos(pi x / n)) / 2
    cyclic       triangles between peak / 10 and peak, about one in four passes, the last one whole
    onecycle     cosine rise peak / 25 to peak over warmup_share, cosine fall to peak / 250,000

    Units: `steps` and `steps_per_epoch` count optimizer updates. Errors: UsageError for an unknown
    name, a warm-up with cyclic, and numbers out of range. Source: he2016deep (step),
    smith2017cyclical (cyclic), smith2019super (onecycle), loshchilov2017sgdr (cosine),
    goyal2017accurate (warm-up).
    """

    name: str
    peak: float
    steps: int
    steps_per_epoch: int
    warmup_share: float = 0.0
    milestones: tuple[float, ...] = ()
    step_factor: float = 0.1

    def __post_init__(self) -> None:
        look_up(SHAPES, self.name, "schedule")
        if self.steps < 1 or self.steps_per_epoch < 1:
            raise UsageError(
                f"A schedule needs at least one step, not {min(self.steps, self.steps_per_epoch)}."
            )
        if not 0 <= self.warmup_share < 1:
            raise UsageError(f"--warmup must be from 0 to below 1, not {self.warmup_share:g}.")
        if self.name == "cyclic" and self.warmup_share > 0:
            raise UsageError(
                f"--schedule cyclic rises by itself; leave out --warmup {self.warmup_share:g}."
            )

    @property
    def warmup(self) -> int:
        """Steps of the linear rise."""
        if self.name in {"cyclic", "onecycle"}:
            return 0
        return min(round(self.warmup_share * self.steps), self.steps - 1)

    def at(self, step: int) -> float:
        """Return the learning rate of update number `step`, counted from 0.

        Errors: IndexError outside 0 to steps - 1.
        """
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of a schedule of {self.steps} steps")
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        return self.peak * SHAPES[self.name](self, step - self.warmup, self.steps - self.warmup)


def _constant(_schedule: Schedule, _step: int, _steps: int) -> float:
    return 1.0


def _step(schedule: Schedule, step: int, steps: int) -> float:
    if not schedule.milestones:
        return schedule.step_factor ** (step // math.ceil(steps / 3))
    # Half a step: 0.5 of 100 steps is step 50, whatever rounding says.
    passed = sum(step >= share * steps - 0.5 for share in schedule.milestones)
    return schedule.step_factor**passed


def _linear(_schedule: Schedule, step: int, steps: int) -> float:
    return 1 - step / steps


def _exponential(_schedule: Schedule, step: int, steps: int) -> float:
    return 0.01 ** (step / steps)


def _cosine(_schedule: Schedule, step: int, steps: int) -> float:
    return (1 + math.cos(math.pi * step / steps)) / 2


def _cyclic(schedule: Schedule, step: int, steps: int) -> float:
    cycles = max(1, round(steps / (CYCLIC_PASSES * schedule.steps_per_epoch)))
    place = (step * cycles / steps) % 1.0
    return CYCLIC_FLOOR + (1 - CYCLIC_FLOOR) * (1 - abs(2 * place - 1))


def _onecycle(schedule: Schedule, step: int, steps: int) -> float:
    rise = max((schedule.warmup_share or ONECYCLE_RISE) * steps - 1, 0.0)
    if step <= rise:
        return _between(1 / ONECYCLE_START, 1.0, step / rise if rise else 1.0)
    end = 1 / (ONECYCLE_START * ONECYCLE_END)
    return _between(1.0, end, (step - rise) / (steps - 1 - rise))


def _between(start: float, end: float, place: float) -> float:
    """Return the cosine interpolation from `start` (place 0) to `end` (place 1)."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * place))


Shape = Callable[[Schedule, int, int], float]
SHAPES: Final[Mapping[str, Shape]] = {
    "constant": _constant,
    "step": _step,
    "linear": _linear,
    "exponential": _exponential,
    "plateau": _constant,
    "cyclic": _cyclic,
    "onecycle": _onecycle,
    "cosine": _cosine,
}
"""Share of the peak, from the schedule, the step after warm-up, and the number of those."""


class Plateau:
    """The factor of the plateau schedule: times 0.1 after `patience` passes without progress.

    A pass makes progress where its validation loss is below (1 - 1e-4) times the best so far.
    """

    factor: float
    best: float
    waited: int

    def __init__(self, *, patience: int = 5, shrink: float = 0.1) -> None:
        self.patience = patience
        self.shrink = shrink
        self.factor, self.best, self.waited = 1.0, math.inf, 0

    def update(self, val_loss: float) -> float:
        """Take the validation loss of a pass; return the factor of the learning rate from now."""
        if val_loss < self.best * (1 - 1e-4):
            self.best, self.waited = val_loss, 0
        else:
            self.waited += 1
        if self.waited > self.patience:
            self.factor, self.waited = self.factor * self.shrink, 0
        return self.factor

    def state(self) -> dict[str, float | int | None]:
        """Return everything that changes, as JSON values."""
        best = None if math.isinf(self.best) else self.best
        return {"factor": self.factor, "best": best, "waited": self.waited}

    def restore(self, state: Mapping[str, float | int | None]) -> None:
        """Take back what `state` gave."""
        best = state["best"]
        self.factor = float(state["factor"] or 0.0)
        self.best = math.inf if best is None else float(best)
        self.waited = int(state["waited"] or 0)
