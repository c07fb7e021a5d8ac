"""What is made of the passes that scripts tell."""

import pytest
from benchmarks import growth, same_network
from benchmarks.peers.arms import Measurement
from benchmarks.peers.passes import (
    busiest,
    first_speed,
    later_speed,
    peak_memory,
    peer_versions,
    with_later,
)


def run(arm, *speeds, variant="hubel", peer="hubel", tree=None, peak=100, load=0.0, versions=None):
    return Measurement(
        benchmark="try",
        arm=arm,
        peer=peer,
        variant=variant,
        repeat=0,
        digest="",
        status="ended",
        started="",
        seconds=10.0,
        counted_s=10.0,
        peak_bytes=peak,
        tree_bytes=tree,
        events=[{"event": "prepared", "took_s": 1.0}]
        + [{"event": "pass", "pictures_per_s": speed, "waiting_share": 0.1} for speed in speeds],
        versions=versions or {},
        machine={"load_before": load},
    )


def test_later_passes_are_taken_together_by_time():
    measured = run("a", 7.0, 10.0, 30.0)
    assert first_speed(measured) == 7.0
    # 1 picture each: 1/10 s and 1/30 s for two pictures.
    assert later_speed(measured) == pytest.approx(2 / (0.1 + 1 / 30))


def test_memory_is_at_least_that_of_one_process():
    assert peak_memory(run("a", 1.0, tree=50, peak=80)) == 80
    assert peak_memory(run("a", 1.0, tree=90, peak=80)) == 90
    assert peak_memory(run("a", 1.0, tree=None, peak=80)) == 80


def test_a_run_without_second_pass_says_nothing():
    assert list(with_later([run("one", 5.0), run("two", 5.0, 6.0)])) == ["two"]


def test_versions_are_those_of_the_peers():
    found = [
        run("a", 1.0, versions={"hubel": "1"}),
        run("b", 1.0, peer="timm", versions={"timm": "2", "torch": "3"}),
    ]
    assert peer_versions(found) == ["timm 2"]
    assert busiest([run("a", 1.0, load=0.5), run("b", 1.0, load=2.25)]).endswith("at most 2.2.")


def test_the_verdict_compares_with_the_fastest_peer_of_each_kind_and_with_the_ceiling():
    found = [
        run("resnet18 hubel", 1.0, 90.0),
        run("resnet18 ceiling", 1.0, 100.0, variant="ceiling"),
        run("resnet18 fastai documented", 1.0, 30.0, variant="documented", peer="fastai"),
        run("resnet18 timm documented", 1.0, 45.0, variant="documented", peer="timm"),
        run("resnet18 timm best", 1.0, 60.0, variant="best", peer="timm"),
        run("mobilenet_v2 timm best", 1.0, 900.0, variant="best", peer="timm"),
    ]
    said = same_network.verdict("resnet18", with_later(found))
    assert "90.0% of the ceiling, 2.00× timm documented, 1.50× timm best" in said


def test_growth_compares_the_most_pictures_with_the_fewest():
    found = [
        run("1×, 1 process", 1.0, 100.0, peak=10**9),
        run("16×, 1 process", 1.0, 80.0, peak=10**9 + 15 * 10**6),
    ]
    said = growth.verdict(1, 500, with_later(found))
    assert "time per picture **+25.0%**, memory +15 MB (**+2.00 kB** a picture more)" in said
    assert "not compared" in growth.verdict(2, 500, with_later(found))
