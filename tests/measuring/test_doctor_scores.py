"""Scores of the doctor's suite, from what was said of each run."""

import math

import pytest
from benchmarks.doctor.scoring import (
    Judged,
    Truth,
    by_family,
    counts,
    misses,
    score,
    share,
    suffers,
    truth_of,
)


def run(*said, accepted=("rate/too-high", "loss/divergence"), name="fast", family="rate", seed=0):
    return Judged(
        name=name, family=family, bench="plain", seed=seed, accepted=accepted,
        said=tuple((one,) if isinstance(one, str) else one for one in said),
    )  # fmt: skip


def truth(test=0.9, val=0.9, reported=0.9, seconds=1.0, ended=True):
    return Truth(ended=ended, test=test, val=val, reported=reported, seconds=seconds)


def test_a_fault_must_cost_two_points_at_every_seed():
    assert suffers("accuracy", truth(test=0.87), truth(test=0.9))
    assert not suffers("accuracy", truth(test=0.885), truth(test=0.9))
    assert not suffers("accuracy", truth(test=0.95), truth(test=0.9))
    assert counts("accuracy", [(truth(test=0.5), truth()), (truth(test=0.6), truth())])
    assert not counts("accuracy", [(truth(test=0.5), truth()), (truth(test=0.89), truth())])
    assert not counts("accuracy", [])


def test_a_program_that_broke_down_suffers():
    assert suffers("accuracy", truth(ended=False, test=math.nan), truth())
    assert not suffers("accuracy", truth(test=math.nan), truth())


def test_a_report_may_be_wrong_both_ways():
    assert suffers("reported", truth(reported=0.99, val=0.9), truth())
    assert suffers("reported", truth(reported=0.1, val=0.9), truth())
    assert not suffers("reported", truth(reported=0.91, val=0.9), truth())
    # The twin's report is as wrong: it is not the fault.
    assert not suffers("reported", truth(reported=0.95, val=0.9), truth(reported=0.96, val=0.9))


def test_harm_to_time_is_half_as_long_again():
    assert suffers("time", truth(seconds=1.5), truth(seconds=1.0))
    assert not suffers("time", truth(seconds=1.4), truth(seconds=1.0))


def test_the_interval_is_exact():
    # No alarm in 150: 1 - 0.025 ** (1 / 150); all of 10: 0.025 ** (1 / 10).
    assert share(0, 150).high == pytest.approx(1 - 0.025 ** (1 / 150))
    assert share(0, 150).low == 0.0
    assert share(10, 10).low == pytest.approx(0.025 ** (1 / 10))
    assert share(10, 10).high == 1.0
    # Clopper and Pearson: the binomial tail at each end holds 2.5%.
    found = share(3, 20)
    tail = sum(math.comb(20, k) * found.high**k * (1 - found.high) ** (20 - k) for k in range(4))
    assert tail == pytest.approx(0.025)
    head = sum(math.comb(20, k) * found.low**k * (1 - found.low) ** (20 - k) for k in range(3))
    assert 1 - head == pytest.approx(0.025)
    assert math.isnan(share(0, 0).value)
    assert str(share(0, 0)) == "–"


def test_the_first_alarm_and_the_first_three_are_told_apart():
    late = run("data/range", "unit/dead", "loss/divergence")
    assert late.detected
    assert not late.right_among(1)
    assert late.right_among(3)
    assert not run("a/b", "c/d", "e/f", "rate/too-high").right_among(3)
    assert run("loss/divergence").right_among(1)
    assert not run("loss/divergence").preferred
    assert run("rate/too-high").preferred
    assert not run().detected


def test_an_alarm_may_stand_for_several_causes_or_none():
    assert run(("unit/dead", "rate/too-high")).right_among(1)
    assert run(()).detected
    assert not run(()).right_among(3)


def test_precision_counts_healthy_alarms_and_wrong_causes():
    found = score(
        [run("rate/too-high"), run("data/range"), run(), run("unit/dead", "loss/divergence")],
        {"one": False, "two": True, "three": False},
    )
    assert (found.detected.hits, found.detected.of) == (3, 4)
    assert (found.first.hits, found.among_three.hits) == (1, 2)
    # Alarmed: three faulty runs and a healthy one; right among three: two.
    assert (found.precision.hits, found.precision.of) == (2, 4)
    assert (found.false_alarms.hits, found.false_alarms.of) == (1, 3)
    assert found.informedness == pytest.approx(3 / 4 - 1 / 3)


def test_a_tool_that_always_raises_an_alarm_is_not_informed():
    always = score([run("data/range"), run("data/range")], {"one": True, "two": True})
    assert always.detected.value == 1.0
    assert always.informedness == 0.0
    assert math.isnan(score([run("data/range")], {}).informedness)


def test_misses_name_what_came_first_instead_the_worst_on_top():
    runs = [
        run("data/range", name="slow"),
        run("data/range", name="slow", seed=1),
        run(name="fast"),
        run("rate/too-high", name="fast", seed=1),
        run("rate/too-high", name="well"),
    ]
    first, second = misses(runs)
    assert (first.name, first.undetected, first.wrong, first.runs) == ("fast", 1, 0, 2)
    assert (second.name, second.wrong, second.said) == ("slow", 2, ("data/range",))


def test_families_keep_their_runs():
    found = by_family([run(family="rate"), run(family="loop"), run(family="rate", seed=1)])
    assert [(name, len(runs)) for name, runs in found.items()] == [("rate", 2), ("loop", 1)]


def test_a_line_without_numbers_is_a_run_that_did_not_end():
    assert not truth_of(None).ended
    found = truth_of({"status": "raised", "error": "IndexError"})
    assert not found.ended
    assert math.isnan(found.test)
    assert truth_of({"status": "ended", "test": 0.5}).test == 0.5
