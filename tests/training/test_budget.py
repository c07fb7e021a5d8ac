"""Steps in a budget."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.errors import UsageError
from hubel.training.budget import MARGIN, StepCost, Timeline, steps_within

COST = StepCost(step_s=0.1, validation_s=2.0, spent_s=10.0, final_s=5.0)


def test_the_planned_time_fills_the_budget() -> None:
    steps = steps_within(300.0, COST, 50)
    planned = 10 + 5 + steps * 0.1 + steps / 50 * 2
    assert planned <= MARGIN * 300 < planned + 0.1 + 2 / 50


def test_too_short_a_budget_says_what_a_step_takes() -> None:
    with pytest.raises(UsageError, match=r"one step takes 0\.10 s: try a longer budget"):
        steps_within(15.0, COST, 50)


def test_without_revisions_every_step_is_its_own() -> None:
    timeline = Timeline(57)
    assert [timeline.scheduled(step) for step in range(57)] == list(range(57))
    assert timeline.total == 57


def test_a_revision_spreads_the_rest() -> None:
    timeline = Timeline(100).revised(40, seconds=80.0, left_s=60.0)
    assert timeline.revisions == ((40, 70),)
    assert timeline.place(40) == 40
    assert timeline.place(55) == pytest.approx(70)
    assert timeline.place(70) == pytest.approx(100)


def test_a_total_that_hardly_changes_stays_and_is_recorded() -> None:
    timeline = Timeline(100).revised(50, seconds=50.0, left_s=51.0)
    assert timeline.revisions == ((50, 100),)


def test_no_time_left_ends_after_one_more_step() -> None:
    assert Timeline(100).revised(50, seconds=50.0, left_s=-3.0).total == 51


@given(
    st.integers(10, 500),
    st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.2, 3.0)), max_size=4),
)
def test_the_schedule_is_walked_once_without_a_jump(
    planned: int, revisions: list[tuple[float, float]]
) -> None:
    timeline = Timeline(planned)
    at = 0
    for share, pace in revisions:
        step = at + max(1, round(share * (timeline.total - at)))
        if step >= timeline.total:
            break
        timeline = timeline.revised(step, float(step), pace * (timeline.total - step))
        at = step
    places = [timeline.place(step) for step in range(timeline.total + 1)]
    assert places[0] == 0
    assert places[-1] == pytest.approx(planned)
    assert all(before < after for before, after in itertools.pairwise(places))
    assert all(0 <= timeline.scheduled(step) < planned for step in range(timeline.total))
