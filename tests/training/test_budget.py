"""Steps in a budget."""

from __future__ import annotations

import pytest

from hubel.errors import UsageError
from hubel.training.budget import MARGIN, StepCost, steps_within

COST = StepCost(step_s=0.1, validation_s=2.0, spent_s=10.0, final_s=5.0)


def test_the_planned_time_fills_the_budget() -> None:
    steps = steps_within(300.0, COST, 50)
    planned = 10 + 5 + steps * 0.1 + steps / 50 * 2
    assert planned <= MARGIN * 300 < planned + 0.1 + 2 / 50


def test_too_short_a_budget_says_what_a_step_takes() -> None:
    with pytest.raises(UsageError, match=r"one step takes 0\.10 s: try a longer budget"):
        steps_within(15.0, COST, 50)
