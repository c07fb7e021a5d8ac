"""What was measured is kept, shared, bounded, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hubel.training.hardware import machine, store
from hubel.training.hardware.machine import Machine, Rate, machine_key, measure_machine
from hubel.training.hardware.store import Compiled, Store, Timed, Timing

CPU = torch.device("cpu")
MACHINE = Machine(
    processor="Abacus",
    device="cpu",
    torch="2.14",
    threads=2,
    rates=(
        Rate(precision="float32", threads=2, flops=5e10),
        Rate(precision="float32", threads=1, flops=3e10),
        Rate(precision="bfloat16", threads=2, flops=2e9),
    ),
)


def timed(ms: float) -> Timed:
    timing = Timing(precision="float32", channels_last=True, threads=1, ms=ms)
    return Timed(pictures=8, timings=(timing,))


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[torch.device]:
    """A folder of its own, and the devices that were measured."""
    devices: list[torch.device] = []

    def measure(device: torch.device) -> Machine:
        devices.append(device)
        return MACHINE

    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "measure_machine", measure)
    return devices


def test_a_machine_is_measured_once(measured: list[torch.device]) -> None:
    first = Store(CPU)
    assert first.is_new
    first.keep_timed("net", timed(3.0))
    second = Store(CPU)
    assert not second.is_new
    assert second.known.machine == MACHINE
    assert second.timed("net") == timed(3.0)
    assert second.timed("other") is None
    assert measured == [CPU]


def test_anew_forgets_what_was_known(measured: list[torch.device]) -> None:
    Store(CPU).keep_timed("net", timed(3.0))
    again = Store(CPU, anew=True)
    assert again.is_new
    assert again.timed("net") is None
    assert Store(CPU).timed("net") is None
    assert len(measured) == 2


def test_the_first_of_two_processes_counts() -> None:
    """Both then choose the same."""
    one, other = Store(CPU), Store(CPU)
    assert one.keep_timed("net", timed(3.0)) == timed(3.0)
    other.keep_compiled("net", Compiled(plain_ms=2.0, compiled_ms=1.0, compile_s=9.0))
    assert other.keep_timed("net", timed(5.0)) == timed(3.0)
    third = Store(CPU)
    assert third.timed("net") == timed(3.0)
    assert third.compiled("net") == Compiled(plain_ms=2.0, compiled_ms=1.0, compile_s=9.0)
    assert third.compiled("other") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"machine": 3}', b"\xff\xfe"])
def test_a_damaged_file_counts_as_none(content: bytes, measured: list[torch.device]) -> None:
    path = Store(CPU).path
    path.write_bytes(content)
    assert Store(CPU).is_new
    assert not Store(CPU).is_new
    assert len(measured) == 2


def test_a_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "file" / "cache"))
    kept = Store(CPU)
    assert kept.keep_timed("net", timed(3.0)) == timed(3.0)
    assert kept.timed("net") == timed(3.0)


def test_old_networks_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_KEPT", 2)
    kept = Store(CPU)
    for name in ("a", "b", "a", "c"):
        kept.keep_timed(name, timed(1.0))
    assert list(Store(CPU).known.networks) == ["a", "c"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("processor_name", lambda: "Another"),
        ("usable_threads", lambda: 99),
        ("device_name", lambda _device: "GPU"),
    ],
)
def test_another_machine_has_another_file(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = machine_key(CPU)
    assert before == machine_key(CPU)
    monkeypatch.setattr(machine, name, value)
    assert machine_key(CPU) != before


def test_measuring_leaves_threads_and_random_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_threads", lambda: 2)
    monkeypatch.setattr(machine, "PROBE", 16)
    monkeypatch.setattr(machine, "SIDES", {"cpu": 24})
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    found = measure_machine(CPU)
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_num_threads() == threads
    assert found.threads == 2
    assert {(rate.precision, rate.threads) for rate in found.rates} == {
        (kind, count) for kind in ("float32", "bfloat16", "float16") for count in (1, 2)
    }
    assert all(rate.flops > 0 for rate in found.rates)


@pytest.mark.parametrize(
    ("device", "bfloat16", "float16", "expected"),
    [
        ("cpu", 2e9, 2e9, ("float32",)),
        ("cpu", 1e11, 2e9, ("float32", "bfloat16")),
        ("cpu", 4e10, 1e11, ("float32",)),
        ("Tesla", 2e9, 1e11, ("float32", "float16")),
        ("Ampere", 1e11, 1e11, ("float32", "bfloat16")),
    ],
)
def test_a_precision_is_tried_where_it_multiplies_clearly_faster(
    device: str, bfloat16: float, float16: float, expected: tuple[str, ...]
) -> None:
    found = Machine(
        processor="Abacus",
        device=device,
        torch="2.14",
        threads=2,
        rates=(
            Rate(precision="float32", threads=2, flops=5e10),
            Rate(precision="bfloat16", threads=2, flops=bfloat16),
            Rate(precision="float16", threads=2, flops=float16),
        ),
    )
    assert found.precisions() == expected


def test_the_profile_is_one_line() -> None:
    assert MACHINE.sentence() == (
        "This machine: Abacus, 2 threads; matrix products: float32 50 GFLOP/s, bfloat16 2 GFLOP/s."
    )
