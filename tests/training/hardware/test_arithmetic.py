"""The choice of arithmetic: measured in turns, kept, and the network left as it was."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hubel.training.hardware import arithmetic, store
from hubel.training.hardware.arithmetic import (
    Candidate,
    Wishes,
    choose_arithmetic,
    network_key,
    time_steps,
)
from hubel.training.hardware.faster import NOTHING, Own
from hubel.training.hardware.machine import Machine, Rate
from hubel.training.hardware.store import Store, Timed, Timing

CPU = torch.device("cpu")
PICTURES = torch.zeros(4, 1, 8, 8)


def machine(bfloat16: float = 1e9) -> Machine:
    rates = (
        Rate(precision="float32", threads=1, flops=5e10),
        Rate(precision="bfloat16", threads=1, flops=bfloat16),
    )
    return Machine(processor="Abacus", device="cpu", torch="2.14", threads=8, rates=rates)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "measure_machine", lambda _device: machine())
    monkeypatch.setattr(arithmetic, "usable_threads", lambda: 1)


def pretend(monkeypatch: pytest.MonkeyPatch, times: dict[Candidate, float]) -> list[int]:
    """Let the candidates take these times; returns a list that grows with each measurement."""
    calls: list[int] = []

    def time_them(_module: Any, _inputs: Any, candidates: list[Candidate], *_: Any) -> Timed:
        calls.append(len(candidates))
        return Timed(
            pictures=4,
            timings=tuple(
                Timing(precision=p, channels_last=last, threads=n, ms=times[p, last, n])
                for p, last, n in candidates
            ),
        )

    monkeypatch.setattr(arithmetic, "time_steps", time_them)
    return calls


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 2)
    )


def test_nothing_is_changed_by_measuring() -> None:
    module = network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(8)
    torch.manual_seed(5)
    candidates: list[Candidate] = [("float32", True, 2), ("bfloat16", False, 1)]
    found = time_steps(module, torch.ones(4, 1, 8, 8), candidates)
    assert torch.equal(torch.rand(8), expected)
    assert torch.get_num_threads() == threads
    assert all(weight.grad is None for weight in module.parameters())
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert [(t.precision, t.channels_last, t.threads) for t in found.timings] == candidates


def test_each_computes_as_it_would_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    helped: list[Own] = []

    def note(_module: nn.Module, own: Own) -> nullcontext[None]:
        helped.append(own)
        return nullcontext()

    monkeypatch.setattr(arithmetic, "faster", note)
    own = Own(layers=((1, 4, 8, 8),))
    kinds: list[Candidate] = [("float32", True, 1), ("bfloat16", True, 1), ("float32", False, 1)]
    time_steps(network(), PICTURES, kinds, own=own)
    assert helped == [own, NOTHING, NOTHING]


def test_what_hubel_computes_itself_is_measured_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(monkeypatch, {("float32", True, 1): 10.0, ("float32", False, 1): 5.0})
    for own in (NOTHING, Own(native=True), NOTHING, Own(native=True)):
        choose_arithmetic(network(), PICTURES, Wishes(), Store(CPU), own=own)
    assert calls == [2, 2]


def test_the_fastest_step_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {True: iter([9.0, 3.0, 9.0, 9.0, 9.0, 9.0]), False: iter([5.0] * 9)}
    monkeypatch.setattr(arithmetic, "_few_enough", lambda _ways, pictures, _usual: pictures)
    monkeypatch.setattr(arithmetic, "_step_s", lambda _ways, _few, one: next(seconds[one[1]]))
    monkeypatch.setattr(arithmetic, "LONGEST_S", 1e9)
    found = time_steps(network(), PICTURES, [("float32", True, 1), ("float32", False, 1)])
    assert [timing.ms for timing in found.timings] == [3000.0, 5000.0]


def test_candidates_take_turns_and_the_hopeless_are_dropped() -> None:
    asked: list[Candidate] = []
    fast, middle, slow = ("float32", True, 2), ("float32", True, 1), ("bfloat16", True, 1)
    seconds = {fast: 0.1, middle: 0.15, slow: 0.5}
    times: dict[Candidate, list[float]] = {fast: [], middle: [], slow: []}

    def step_s(candidate: Candidate) -> float:
        asked.append(candidate)
        return seconds[candidate]

    arithmetic._rounds(times, step_s)
    assert asked[:7] == [fast, middle, slow, middle, fast, fast, middle]
    assert [len(times[one]) for one in (fast, middle, slow)] == [5, 5, 1]


def test_a_long_measurement_ends_after_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(arithmetic.time, "perf_counter", lambda: float(next(clock)))
    times: dict[Candidate, list[float]] = {("float32", True, 1): []}
    arithmetic._rounds(times, lambda _candidate: 1.0)
    assert len(times["float32", True, 1]) == 2


@pytest.mark.parametrize(("picture_s", "expected"), [(0.001, 64), (0.01, 16), (9.0, 8)])
def test_slow_networks_are_timed_on_fewer_pictures(
    monkeypatch: pytest.MonkeyPatch, picture_s: float, expected: int
) -> None:
    monkeypatch.setattr(arithmetic, "_step_s", lambda _ways, few, _usual: picture_s * len(few))
    few = arithmetic._few_enough({}, torch.zeros(64, 1, 1, 1), ("float32", True, 1))
    assert len(few) == expected


@pytest.mark.parametrize(("contiguous_ms", "expected"), [(9.5, True), (8.0, False), (12.0, True)])
def test_only_a_clear_gain_changes_the_usual_choice(
    monkeypatch: pytest.MonkeyPatch, contiguous_ms: float, expected: bool
) -> None:
    pretend(monkeypatch, {("float32", True, 1): 10.0, ("float32", False, 1): contiguous_ms})
    chosen = choose_arithmetic(nn.Identity(), PICTURES, Wishes(), Store(CPU))
    assert chosen.channels_last is expected
    assert f"float32 contiguous on 1 thread {contiguous_ms:.1f} ms" in chosen.reason
    assert chosen.step_ms == min(contiguous_ms, 10.0) / 4 if not expected else 2.5


def test_the_same_run_chooses_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock would say now; another network, batch or wish is measured for itself."""
    calls = pretend(monkeypatch, {("float32", True, 1): 10.0, ("float32", False, 1): 5.0})
    first = choose_arithmetic(network(), PICTURES, Wishes(), Store(CPU))
    assert not first.channels_last
    pretend(monkeypatch, {("float32", True, 1): 5.0, ("float32", False, 1): 10.0})
    again = choose_arithmetic(network(), PICTURES, Wishes(), Store(CPU))
    assert not again.channels_last
    assert "kept in" in again.reason
    assert "kept in" not in first.reason
    assert calls == [2]
    anew = choose_arithmetic(network(), PICTURES, Wishes(), Store(CPU, anew=True))
    assert anew.channels_last


def test_the_key_tells_networks_apart() -> None:
    keys = [
        network_key(network(), PICTURES),
        network_key(network(), PICTURES[:2]),
        network_key(nn.Sequential(*network(), nn.ReLU()), PICTURES),
        network_key(network().requires_grad_(False), PICTURES),
        network_key(network(), PICTURES, [("float32", True, 1)]),
    ]
    assert len(set(keys)) == len(keys)
    assert network_key(network(), PICTURES) == keys[0]


def test_few_threads_are_taken_where_they_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "usable_threads", lambda: 8)
    wishes = Wishes(channels_last=True)
    for single_ms, expected in ((5.0, 1), (9.5, 8)):
        pretend(
            monkeypatch,
            {
                ("float32", True, 8): 10.0,
                ("float32", True, 4): 11.0,
                ("float32", True, 1): single_ms,
            },
        )
        chosen = choose_arithmetic(network(), PICTURES, wishes, Store(CPU, anew=True))
        assert chosen.threads == expected


def test_what_is_set_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(monkeypatch, {})
    wishes = Wishes(precision="float16", channels_last=False, threads=3)
    chosen = choose_arithmetic(nn.Identity(), PICTURES, wishes, Store(CPU))
    assert (chosen.precision, chosen.channels_last, chosen.threads) == ("float16", False, 3)
    assert chosen.reason == "set by you"
    assert choose_arithmetic(
        nn.Identity(), PICTURES, Wishes(channels_last=True), Store(CPU)
    ).reason.startswith("nothing else")
    assert calls == []


def test_bfloat16_is_taken_where_the_hardware_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "measure_machine", lambda _device: machine(bfloat16=2e11))
    pretend(
        monkeypatch,
        {
            (kind, last, 1): ms
            for kind, ms in (("float32", 10.0), ("bfloat16", 4.0))
            for last in (True, False)
        },
    )
    chosen = choose_arithmetic(nn.Identity(), PICTURES, Wishes(), Store(CPU))
    assert (chosen.precision, chosen.channels_last) == ("bfloat16", True)
