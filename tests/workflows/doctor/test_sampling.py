"""At which steps the doctor measures."""

from __future__ import annotations

import pytest

from hubel.workflows.doctor.sampling import Sampling


def test_the_first_updates_are_measured_and_then_one_in_sixteen() -> None:
    sampling = Sampling(1000)
    assert [step for step in range(1, 50) if sampling.weights(step)] == [1, 2, 4, 8, 16, 32, 48]


@pytest.mark.parametrize("planned", [100, 10_000, 100_000])
def test_long_trainings_are_measured_no_more_often_than_short_ones(planned: int) -> None:
    sampling = Sampling(planned)
    steps = range(1, planned + 1)
    assert sum(map(sampling.weights, steps)) <= 132
    assert sum(map(sampling.batch, steps)) <= 40
    assert sum(sampling.units(step, planned) for step in steps) <= 41


def test_the_last_step_is_probed() -> None:
    assert Sampling(37).units(37, 37)
    assert not Sampling(37).units(36, 37)


def test_looks_become_rarer_as_a_training_grows() -> None:
    sampling, last, looks = Sampling(100_000), 0, []
    for end in range(10, 10_001, 10):
        if sampling.examined(end, last, at_end=True):
            looks.append(end)
            last = end
    assert looks[:4] == [10, 20, 30, 40]
    assert len(looks) < 70
    assert sampling.examined(20, 0, at_end=False)
    assert not sampling.examined(21, 0, at_end=False)


def test_a_probe_that_is_large_beside_a_step_is_made_more_seldom() -> None:
    assert [step for step in range(1, 1700) if Sampling(4000, 16).units(step, 4000)] == [800, 1600]
    assert Sampling(4000, 256).units(200, 4000)
