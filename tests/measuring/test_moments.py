"""When a network of some accuracy existed, over runs and seeds."""

import pytest
from benchmarks.peers.arms import Measurement
from benchmarks.time_to_accuracy.moments import (
    Moment,
    best,
    best_of_seeds,
    earliest,
    epochs_that_fit,
    fastest,
    moments,
    reached,
)


def run(*found, seed=0, start=10.0, seconds=100.0):
    """Return a peer's run with an accuracy at each of some seconds."""
    events = [{"event": "start", "seconds": start}]
    for second, value in found:
        events.append({"event": "epoch", "seconds": second})
        events.append({"event": "accuracy", "seconds": second, "value": value})
    return Measurement(
        benchmark="try",
        arm="a",
        peer="peer",
        variant="best",
        repeat=seed,
        digest="",
        status="ended",
        started="",
        seconds=seconds,
        counted_s=seconds,
        peak_bytes=1,
        tree_bytes=None,
        events=events,
    )


def hubel(seconds, value, seed=0):
    """Return a run of hubel's command line."""
    final = {"test": {"accuracy": {"value": value}}}
    plain = run(seed=seed, seconds=seconds)
    return Measurement(
        **{
            **{name: getattr(plain, name) for name in plain.__dataclass_fields__},
            "peer": "hubel",
            "events": [],
            "final": final,
        }
    )


def test_a_peer_has_a_network_an_epoch_and_hubel_one_at_its_end():
    assert moments(run((20, 0.5), (30, 0.7))) == [
        Moment(seconds=20, accuracy=0.5),
        Moment(seconds=30, accuracy=0.7),
    ]
    assert moments(hubel(60, 0.9)) == [Moment(seconds=60, accuracy=0.9)]


def test_the_earliest_moment_counts_even_when_later_ones_are_worse():
    found = moments(run((20, 0.8), (30, 0.93), (40, 0.91), (50, 0.95)))
    assert earliest(found, 0.93, 100) == 30
    assert earliest(found, 0.95, 49) is None
    assert best(found, 100) == 0.95
    assert best(found, 45) == 0.93
    assert best(found, 5) is None


def test_a_level_is_the_median_over_seeds_of_the_first_run_of_each():
    runs = [
        hubel(60, 0.92),
        hubel(30, 0.90),
        hubel(62, 0.93, seed=1),
        hubel(31, 0.89, seed=1),
        hubel(64, 0.91, seed=2),
        hubel(32, 0.90, seed=2),
    ]
    assert reached(runs, 0.90, 900).seconds == (30, 62, 32)
    assert str(reached(runs, 0.90, 900)) == "32"
    assert str(reached(runs, 0.92, 900)) == "61 (2 of 3 seeds)"
    assert str(reached(runs, 0.95, 900)) == "not reached"
    assert best_of_seeds(runs, 900) == [0.92, 0.93, 0.91]


def test_epochs_that_fit_count_the_start_up_once():
    # 10 s of start-up and 20 s an epoch: 4 epochs end at 90 s, a fifth would at 110 s.
    assert epochs_that_fit(run((30, 0.5)), 110) == 4
    assert epochs_that_fit(run((30, 0.5)), 112) == 5
    assert epochs_that_fit(run(), 100) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([(20, 0.91)], [(90, 0.93)], "second"),
        ([(20, 0.93)], [(90, 0.93)], "first"),
        ([(20, 0.80)], [(10, 0.70)], "first"),
    ],
)
def test_the_fastest_reaches_the_highest_level_first(first, second, expected):
    runs = {"first": [run(*first)], "second": [run(*second)]}
    assert fastest(runs, (0.90, 0.92), 900) == expected


def test_nobody_is_fastest_of_none():
    assert fastest({}, (0.9,), 900) is None
