"""How many steps fit into a wall-clock budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hubel.errors import UsageError

MEASURED_SHARE: Final = 0.04
"""Share of the budget that measuring the steps may take."""
MARGIN: Final = 0.97
"""Share of the budget that is planned for: step times drift, and late is worse than early."""


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
