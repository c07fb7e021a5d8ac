"""How many steps fit into a wall-clock budget, and how that is revised while training runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hubel.errors import UsageError

MEASURED_SHARE: Final = 0.02
"""Share of the budget that measuring the steps may take."""
MARGIN: Final = 0.97
"""Share of the budget that is planned for: step times drift, and late is worse than early."""
MILESTONES: Final = (0.25, 0.5, 0.75, 0.9)
"""Shares of the schedule after which the number of steps is measured anew."""
TOLERANCE: Final = 0.02
"""A revision is made where it changes the whole number of steps by more than this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """Measured times of one training, in seconds."""

    step_s: float
    """One update, its pictures' loading included."""
    validation_s: float
    """One validation."""
    spent_s: float
    """Since the program started."""
    final_s: float
    """Evaluation, report and everything else after the last step."""


def steps_within(budget_s: float, cost: StepCost, steps_per_pass: int) -> int:
    """Return how many updates fit into a budget.

    steps = (MARGIN · budget - spent - final) / (step + validation / steps_per_pass)

    Errors: UsageError where not even one step and the evaluation fit.
    """
    left = MARGIN * budget_s - cost.spent_s - cost.final_s
    steps = int(left / (cost.step_s + cost.validation_s / steps_per_pass))
    if steps < 1:
        raise UsageError(
            f"The --budget leaves {max(left, 0.0):.1f} s for training and one step takes "
            f"{cost.step_s:.2f} s: try a longer budget, a smaller --size or a smaller --model."
        )
    return steps


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where each step stands in a schedule of `planned` steps that was revised on the way.

    A revision (at, total) says that from step `at` on, the rest of the schedule is spread over
    the steps up to `total`, so that the learning rate goes on without a jump.
    """

    planned: int
    revisions: tuple[tuple[int, int], ...] = ()

    @property
    def total(self) -> int:
        """Steps of the whole training, as last revised."""
        return self.revisions[-1][1] if self.revisions else self.planned

    def place(self, step: int) -> float:
        """Return which step of the planned schedule corresponds to `step`, perhaps between two."""
        start, place, total = 0, 0.0, self.planned
        for at, revised in self.revisions:
            if step <= at:
                break
            place += (at - start) * (self.planned - place) / (total - start)
            start, total = at, revised
        return place + (step - start) * (self.planned - place) / (total - start)

    def scheduled(self, step: int) -> int:
        """Return the whole step of the planned schedule whose learning rate `step` takes."""
        if not self.revisions:
            return step
        return min(round(self.place(step)), self.planned - 1)

    def revised(self, step: int, seconds: float, left_s: float) -> Timeline:
        """Return the timeline that ends in `left_s` seconds, where `step` steps took `seconds`.

        total = step + left · step / seconds, at least one step more. A total that would hardly
        change stays; that is recorded too, so that a resumed run need not measure.
        """
        total = step + max(1, int(left_s * step / seconds))
        if abs(total - self.total) <= TOLERANCE * self.total:
            total = self.total
        return Timeline(self.planned, (*self.revisions, (step, total)))
