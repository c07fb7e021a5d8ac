"""Convolutions go by Winograd's algorithm where that was measured to be faster, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.options.train import Winograd
from hubel.training.hardware import convolutions, store
from hubel.training.hardware.arithmetic import Arithmetic, Wishes
from hubel.training.hardware.convolutions import (
    Chosen,
    choose_winograd,
    likely_own,
    time_convolution,
)
from hubel.training.hardware.faster import NOTHING, Own
from hubel.training.hardware.load import BUSY
from hubel.training.hardware.machine import Machine
from hubel.training.hardware.store import Convolved, Store

CPU = torch.device("cpu")
INPUTS = torch.zeros(6, 3, 8, 8)
PLAIN = Arithmetic(precision="float32", channels_last=True, threads=1, step_ms=1.0, reason="")
FIRST, SECOND = (3, 4, 8, 8), (4, 2, 8, 8)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 2, 3, padding=1),
        nn.Conv2d(2, 2, 3, stride=2),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(18, 2),
    )


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(processor="Abacus", device="cpu", torch="2.14", threads=1, rates=())
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "measure_machine", lambda _device: machine)
    monkeypatch.setattr(convolutions, "LEAST_OPERATIONS", 0)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the second convolution gain by Winograd's algorithm, and note what is timed."""
    asked: list[Any] = []

    def time(layer: Any, padding: tuple[int, int], pictures: int) -> Convolved:
        asked.append((layer, padding, pictures))
        return Convolved(direct_ms=10.0, winograd_ms=6.0 if layer == SECOND else 9.0)

    monkeypatch.setattr(convolutions, "time_convolution", time)
    return asked


def choose(wanted: Winograd = "auto", arithmetic: Arithmetic = PLAIN, **given: Any) -> Chosen:
    return choose_winograd(wanted, network(), INPUTS, arithmetic, Store(CPU), **given)


def test_the_layers_that_gain_clearly_are_chosen(timed: list[Any]) -> None:
    found = choose()
    assert found.layers == (SECOND,)
    assert timed == [(FIRST, (1, 1), 6), (SECOND, (1, 1), 6)]
    assert found.reason.endswith("3→4 at 8×8 10.0 ms, so 9.0 ms, 4→2 at 8×8 10.0 ms, so 6.0 ms")


def test_a_layer_is_measured_once_and_not_kept_of_a_busy_machine(
    timed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolutions, "BUSY", BUSY)
    with monkeypatch.context() as busy:
        busy.setattr(convolutions.Load, "others", lambda _self: 0.5)
        choose()
    monkeypatch.setattr(convolutions.Load, "others", lambda _self: 0.0)
    assert choose() == choose()
    assert len(timed) == 4


def test_a_run_on_a_busy_machine_measures_a_layer_once(
    timed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolutions, "BUSY", BUSY)
    monkeypatch.setattr(convolutions.Load, "others", lambda _self: 0.5)
    store = Store(CPU)
    likely = likely_own("auto", network(), INPUTS, Wishes(threads=1), store)
    assert choose_winograd("auto", network(), INPUTS, PLAIN, store).layers == likely.layers
    assert len(timed) == 2


def test_what_another_process_measured_meanwhile_counts(
    timed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, first = Store(CPU), choose()
    monkeypatch.setattr(
        convolutions, "time_convolution", lambda *_: Convolved(direct_ms=1.0, winograd_ms=9.0)
    )
    assert choose_winograd("auto", network(), INPUTS, PLAIN, mine) == first
    assert len(timed) == 2


def test_small_layers_are_left_to_pytorch(
    timed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = 2 * 9 * 3 * 4 * 8 * 8 * len(INPUTS)  # The second layer has fewer.
    monkeypatch.setattr(convolutions, "LEAST_OPERATIONS", operations)
    assert not choose().layers
    assert [layer for layer, *_ in timed] == [FIRST]
    monkeypatch.setattr(convolutions, "LEAST_OPERATIONS", operations + 1)
    assert "too small" in choose().reason
    assert choose("yes").layers == (FIRST, SECOND)


def test_what_the_user_sets_stands(timed: list[Any]) -> None:
    assert choose("yes") == Chosen(layers=(FIRST, SECOND), reason="set by you")
    assert choose("no") == Chosen(layers=(), reason="set by you")
    assert timed == []


@pytest.mark.parametrize(
    ("change", "more", "told"),
    [
        ({"precision": "bfloat16"}, {}, "computes in bfloat16"),
        ({"channels_last": False}, {}, "contiguous"),
        ({}, {"device": torch.device("cuda:1")}, "on cuda:1"),
    ],
)
def test_elsewhere_nothing_is_chosen_and_yes_is_refused(
    timed: list[Any], change: dict[str, Any], more: dict[str, Any], told: str
) -> None:
    values = {"precision": "float32", "channels_last": True, "threads": 1} | change
    arithmetic = Arithmetic(**values, step_ms=1.0, reason="")
    found = choose("auto", arithmetic, **more)
    assert not found.layers
    assert told in found.reason
    with pytest.raises(UsageError, match=f"--winograd yes needs .*{told}"):
        choose("yes", arithmetic, **more)
    assert timed == []


def test_a_network_without_such_layers_or_that_does_not_run_has_none(timed: list[Any]) -> None:
    for module in (nn.Conv2d(3, 4, 1), nn.Linear(5, 2)):
        found = choose_winograd("auto", module, INPUTS, PLAIN, Store(CPU))
        assert found == Chosen(layers=(), reason="no convolution has 3×3 taps and stride 1")
    assert timed == []


def test_weights_random_state_and_threads_are_left_alone() -> None:
    module, state, threads = network(), torch.get_rng_state(), torch.get_num_threads()
    before = {name: one.clone() for name, one in module.state_dict().items()}
    choose_winograd("auto", module, INPUTS, PLAIN, Store(CPU))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert all(torch.equal(before[name], one) for name, one in module.state_dict().items())


@pytest.mark.parametrize("native", [True, False])
def test_what_is_likely_is_known_before_the_arithmetic(
    timed: list[Any], monkeypatch: pytest.MonkeyPatch, *, native: bool
) -> None:
    monkeypatch.setattr(convolutions, "library", lambda: object() if native else None)
    found = likely_own("auto", network(), INPUTS, Wishes(threads=1), Store(CPU))
    assert found == Own(layers=(SECOND,), native=native)
    assert choose() == choose()
    assert len(timed) == 2  # The choice that follows measures nothing again.


@pytest.mark.parametrize("wishes", [Wishes(precision="bfloat16"), Wishes(channels_last=False)])
def test_nothing_is_likely_where_it_cannot_be(timed: list[Any], wishes: Wishes) -> None:
    assert likely_own("yes", network(), INPUTS, wishes, Store(CPU)) == NOTHING
    assert timed == []


def test_both_ways_are_timed() -> None:
    found = time_convolution(FIRST, (1, 1), 2)
    assert found.direct_ms > 0
    assert found.winograd_ms > 0
