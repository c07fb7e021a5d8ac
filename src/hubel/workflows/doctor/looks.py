"""Looks at a prescription: a glance with few passes, and the whole with all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.results import Treatment, said_of
from hubel.training.gains import gain_of, level_of
from hubel.workflows.doctor.changing import changed, command_of
from hubel.workflows.doctor.pairing import Floats, Original, own_scores, retrain, short_options

_GLANCE: Final = 4
"""A glance trains with a prescription for the passes over this."""
_LENGTHS: Final = frozenset({"--epochs", "--budget"})
"""Options that are no prescription any more where passes are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Options to try."""

    options: Mapping[str, str]
    cause: str = ""
    """Id of the finding that they are for."""


@dataclass(slots=True, kw_only=True)
class _Arm:
    """Trainings with the same options under one seed after another, each made once."""

    original: Original
    passes: int
    options: Sequence[TrainOptions]
    scores: list[Floats] = field(default_factory=list[Floats])
    """Under the seeds that were trained with so far."""

    def trained(self, pairs: int | None = None) -> list[Floats]:
        """Return the scores under the first so many seeds, or all; trains where one is missing."""
        for options in self.options[len(self.scores) : pairs]:
            self.scores.append(retrain(self.original, options))
        return self.scores[:pairs]

    @property
    def seconds(self) -> float:
        """The time that what is missing may take; 0 where a pass was not timed."""
        each = self.passes * self.original.pass_s
        return 0.0 if math.isnan(each) else each * (len(self.options) - len(self.scores))


@dataclass(slots=True, kw_only=True)
class _Claims:
    """How often looks of one kind may claim what is not so, over all their attempts."""

    overall: float
    attempts: int = 0

    def level(self) -> float:
        """Return the level of the next attempt; one that is not judged could have claimed, too."""
        self.attempts += 1
        return level_of(self.attempts - 1, self.overall)


class Looks:
    """What all looks at the candidates of one run share: its trainings without any of them.

    They have all `passes`, are made once, and begin with the run itself where it ended under the
    first of the seeds. Every look is an attempt, see `level_of`: glances share 1% of false claims,
    whole looks 4%.
    """

    def __init__(
        self, original: Original, *, seeds: Sequence[int], passes: int, shortened: str = "",
        budget: float | None = None, told: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._began = time.perf_counter()
        self._original, self._seeds, self._passes = original, seeds, passes
        self._shortened, self._budget, self._told = shortened, budget, told
        self._plain = self._arm(passes)
        if seeds[0] == original.seed and passes == original.passes:
            own = own_scores(original)
            self._plain.scores += [] if own is None else [own]
        self._glances, self._wholes = _Claims(overall=0.01), _Claims(overall=0.04)
        self._judged = False
        self.refused: dict[str, str] = {}
        """Why options cannot be applied, by the options as `said_of` says them."""

    def glance(self, candidate: Candidate) -> Treatment | None:
        """Return what few passes with a candidate show beside all passes without it.

        A training that is better after a quarter of the passes is not so for being short. None
        where too few passes are left, where the options are about them, and where the first such
        training is no better, or could not be made.
        """
        started, passes = time.perf_counter(), self._passes // _GLANCE
        if not passes or _LENGTHS & set(candidate.options):
            return None
        arm = self._applied(candidate, passes)
        if arm is None or not self._affords(arm):
            return None
        level = self._glances.level()
        (before,), (after,) = self._plain.trained(1), arm.trained(1)
        better = after.mean() > before.mean()
        return self._judge(candidate, arm, level, started) if better else None

    def whole(self, candidate: Candidate) -> Treatment | None:
        """Return what all passes with a candidate show; None where no time is left for them.

        The first of all looks is made whatever the budget.
        """
        started, arm = time.perf_counter(), self._applied(candidate, self._passes)
        if arm is None:
            return None
        if self._judged and not self._affords(arm):
            self._told(f"The budget of {self._budget:g} s leaves no time to try more.")
            return None
        return self._judge(candidate, arm, self._wholes.level(), started)

    def _applied(self, candidate: Candidate, passes: int) -> _Arm | None:
        """Return the trainings with a candidate; None, and told, where it cannot be applied."""
        try:
            arm = self._arm(passes, candidate)
            arm.trained(1)
        except UsageError as error:
            said = said_of(candidate.options)
            self.refused[said] = str(error)
            self._told(f"{said} cannot be applied: {error}")
            return None
        return arm

    def _affords(self, arm: _Arm) -> bool:
        """Return whether the budget leaves the time for the trainings that a look still needs."""
        if self._budget is None:
            return True
        spent = time.perf_counter() - self._began
        return spent + arm.seconds + self._plain.seconds <= self._budget

    def _arm(self, passes: int, candidate: Candidate | None = None) -> _Arm:
        options = [short_options(self._original, seed, passes) for seed in self._seeds]
        if candidate is not None:
            options = [_with(one, candidate) for one in options]
        passes = options[0].epochs or passes  # those of a candidate, where it is about them
        return _Arm(original=self._original, passes=passes, options=options)

    def _judge(self, candidate: Candidate, arm: _Arm, level: float, started: float) -> Treatment:
        self._judged = True
        before, after = self._plain.trained(), arm.trained()
        gain = gain_of(np.stack(before), np.stack(after), level=level)
        shares = all(((scores >= 0) & (scores <= 1)).all() for scores in (*before, *after))
        least, most = (-1.0, 1.0) if shares else (-math.inf, math.inf)
        # What few passes do not reach, all of them may.
        worse = gain.high < 0 and arm.passes >= self._passes
        verdict = "helped" if gain.low > 0 else "made it worse" if worse else "no difference seen"
        return Treatment(
            options=dict(candidate.options),
            pairs=len(before),
            before=tuple(float(scores.mean()) for scores in before),
            after=tuple(float(scores.mean()) for scores in after),
            gain=gain.value,
            low=max(gain.low, least),
            high=min(gain.high, most),
            seconds=time.perf_counter() - started,
            verdict=verdict,
            level=level,
            cause=candidate.cause,
            passes=arm.passes,
            passes_without=self._passes,
            shortened=self._shortened,
            command=command_of(
                self._original.source, _with(self._original.options, candidate)
            ),
        )  # fmt: skip


def _with(options: TrainOptions, candidate: Candidate) -> TrainOptions:
    """Return options with those of a candidate; a budget of time gives way to its passes."""
    made = changed(options, candidate.options)
    return replace(made, budget=None) if "--epochs" in candidate.options else made
