"""When a network of at least some accuracy existed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.peers.arms import HUBEL, Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A network that existed: when, and how accurate on the test split."""

    seconds: float
    accuracy: float


def moments(measured: Measurement) -> list[Moment]:
    """Return the networks of one run, each at the moment at which it existed.

    hubel's is the one that its whole command leaves behind, start, evaluation and report
    included. A peer's are those after each epoch, its evaluations on the test split left out of
    the time.
    """
    if measured.peer == HUBEL and not measured.events:
        value = measured.final["test"]["accuracy"]["value"]
        return [Moment(seconds=measured.seconds, accuracy=value)]
    return [
        Moment(seconds=event["seconds"], accuracy=event["value"])
        for event in measured.events
        if event["event"] == "accuracy"
    ]


def earliest(found: Iterable[Moment], level: float, limit_s: float) -> float | None:
    """Return the earliest second within the limit at which a level was reached."""
    return min(
        (one.seconds for one in found if one.accuracy >= level and one.seconds <= limit_s),
        default=None,
    )


def best(found: Iterable[Moment], limit_s: float) -> float | None:
    """Return the best accuracy that existed within the limit."""
    return max((one.accuracy for one in found if one.seconds <= limit_s), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A level over several seeds."""

    seconds: tuple[float, ...]
    seeds: int

    def __str__(self) -> str:
        """Return the median over the seeds, in words where not all of them reached the level."""
        if not self.seconds:
            return "not reached"
        middle = statistics.median(self.seconds)
        if len(self.seconds) == self.seeds:
            return f"{middle:.0f}"
        return f"{middle:.0f} ({len(self.seconds)} of {self.seeds} seeds)"


def reached(runs: Sequence[Measurement], level: float, limit_s: float) -> Reached:
    """Return when a level was first reached by any run of each seed."""
    seeds = sorted({run.repeat for run in runs})
    firsts = [earliest(_of_seed(runs, seed), level, limit_s) for seed in seeds]
    return Reached(seconds=tuple(one for one in firsts if one is not None), seeds=len(seeds))


def best_of_seeds(runs: Sequence[Measurement], limit_s: float) -> list[float]:
    """Return the best accuracy within the limit of each seed that has one."""
    seeds = sorted({run.repeat for run in runs})
    found = (best(_of_seed(runs, seed), limit_s) for seed in seeds)
    return [one for one in found if one is not None]


def _of_seed(runs: Sequence[Measurement], seed: int) -> list[Moment]:
    return [moment for run in runs if run.repeat == seed for moment in moments(run)]


def epochs_that_fit(one_epoch: Measurement, limit_s: float) -> int | None:
    """Return how many epochs end within the limit, from a run over one; None where it is unknown.

    The run's start-up counts once; a hundredth of the limit is kept free.
    """
    begun = [event["seconds"] for event in one_epoch.events if event["event"] == "start"]
    ended = [event["seconds"] for event in one_epoch.events if event["event"] == "epoch"]
    if not begun or not ended or ended[0] <= begun[0]:
        return None
    return int((0.99 * limit_s - begun[0]) // (ended[0] - begun[0]))


def fastest(
    runs: dict[str, Sequence[Measurement]], levels: Sequence[float], limit_s: float
) -> str | None:
    """Return who reaches the highest level that anyone reaches first; None where nobody any."""
    for level in sorted(levels, reverse=True):
        firsts = {name: reached(found, level, limit_s).seconds for name, found in runs.items()}
        there = {name: statistics.median(seconds) for name, seconds in firsts.items() if seconds}
        if there:
            return min(there, key=lambda name: there[name])
    bests = {name: max(best_of_seeds(found, limit_s), default=0.0) for name, found in runs.items()}
    return max(bests, key=lambda name: bests[name], default=None)
