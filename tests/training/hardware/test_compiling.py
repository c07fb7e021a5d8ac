"""torch.compile is taken where it pays within the run, and nothing is tried in short runs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.options.train import Compiling
from hubel.training.hardware import compiling, store
from hubel.training.hardware.arithmetic import Arithmetic
from hubel.training.hardware.compiling import (
    Compilation,
    choose_compile,
    compile_network,
    has_compiler,
    try_compiling,
)
from hubel.training.hardware.faster import NOTHING, Own
from hubel.training.hardware.machine import Machine
from hubel.training.hardware.store import Compiled, Store

CPU = torch.device("cpu")
INPUTS = torch.zeros(4, 1, 8, 8)
PLAIN = Arithmetic(precision="float32", channels_last=True, threads=1, step_ms=1.0, reason="")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(processor="Abacus", device="cpu", torch="2.14", threads=1, rates=())
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "measure_machine", lambda _device: machine)
    monkeypatch.setattr(compiling, "has_compiler", lambda _device: True)


def choose(wanted: Compiling, run_s: float) -> Compilation:
    return choose_compile(wanted, nn.Linear(8, 2), INPUTS, PLAIN, run_s, Store(CPU))


def gains(monkeypatch: pytest.MonkeyPatch, compiled_ms: float, compile_s: float) -> list[int]:
    calls: list[int] = []

    def measure(*_: object) -> Compiled:
        calls.append(1)
        return Compiled(plain_ms=10.0, compiled_ms=compiled_ms, compile_s=compile_s)

    monkeypatch.setattr(compiling, "try_compiling", measure)
    return calls


def test_short_runs_measure_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = gains(monkeypatch, 1.0, 1.0)
    found = choose("auto", 1799.0)
    assert not found.compiles
    assert found.reason == "about 1,799 s of training are too short for compiling to pay"
    assert "no step was timed" in choose("auto", 0.0).reason
    assert calls == []


@pytest.mark.parametrize(
    ("compiled_ms", "compile_s", "expected"),
    [(5.0, 500.0, True), (5.0, 501.0, False), (10.0, 56.0, False), (12.0, 0.1, False)],
)
def test_compiling_must_save_twice_what_it_costs(
    monkeypatch: pytest.MonkeyPatch, compiled_ms: float, compile_s: float, expected: bool
) -> None:
    """At 5 of 10 ms, a run of 2,000 s is 1,000 s shorter: twice 500."""
    gains(monkeypatch, compiled_ms, compile_s)
    assert choose("auto", 2000.0).compiles is expected


def test_what_was_measured_once_serves_short_runs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = gains(monkeypatch, 5.0, 50.0)
    assert choose("auto", 2000.0).compiles
    assert choose("auto", 200.0).compiles
    assert not choose("auto", 199.0).compiles
    assert calls == [1]


def test_the_user_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = gains(monkeypatch, 5.0, 1.0)
    assert choose("yes", 1.0) == Compilation(compiles=True, reason="set by you")
    assert choose("no", 1e9) == Compilation(compiles=False, reason="set by you")
    assert calls == []


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "has_compiler", lambda _device: False)
    assert choose("auto", 1e9).reason == "there is no compiler here"
    with pytest.raises(UsageError, match=r"--compile yes needs a C\+\+ compiler"):
        choose("yes", 1e9)


def test_a_compiler_is_looked_for_on_the_path(tmp_path: Path) -> None:
    assert not has_compiler(CPU, {"PATH": str(tmp_path)})
    program = tmp_path / "clang++"
    program.write_text("")
    program.chmod(0o755)
    assert has_compiler(CPU, {"PATH": str(tmp_path)})
    assert not has_compiler(CPU, {"PATH": str(tmp_path), "CXX": "another"})
    assert has_compiler(CPU, {"PATH": str(tmp_path), "CXX": "clang++"})


def test_a_network_that_cannot_be_compiled_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_module: nn.Module) -> None:
        _module.forward = None

    monkeypatch.setattr(compiling, "compile_network", refuse)
    found = try_compiling(nn.Flatten(), INPUTS, PLAIN)
    assert found.plain_ms == found.compiled_ms


def test_trying_leaves_the_network_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "compile_network", lambda _module: None)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    found = try_compiling(module, INPUTS, PLAIN)
    assert torch.equal(torch.rand(4), expected)
    assert found.plain_ms > 0
    assert found.compiled_ms > 0
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_each_shape_is_compiled_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, object]] = []
    module = nn.Linear(8, 2)
    monkeypatch.setattr(nn.Module, "compile", lambda _self, **how: given.append(how))
    compile_network(module)
    assert given == [{"dynamic": False}]


def test_what_is_compiled_has_to_beat_what_hubel_computes_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = gains(monkeypatch, 5.0, 1.0)
    for own in (NOTHING, Own(layers=((3, 4, 8, 8),)), NOTHING):
        choose_compile("auto", nn.Linear(8, 2), INPUTS, PLAIN, 2000.0, Store(CPU), CPU, own)
    assert len(calls) == 2


def test_the_step_as_it_is_is_timed_with_what_helps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Own] = []

    def noted(_module: nn.Module, own: Own) -> Any:
        entered.append(own)
        return nullcontext()

    monkeypatch.setattr(compiling, "compile_network", lambda _module: None)
    monkeypatch.setattr(compiling, "faster", noted)
    own = Own(native=True)
    try_compiling(nn.Conv2d(1, 2, 3), INPUTS, PLAIN, CPU, own)
    assert entered == [own]
