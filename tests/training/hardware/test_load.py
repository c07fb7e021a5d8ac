"""The share of the processors that others took, from counters made by hand and from real ones."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import nn

from hubel.training.hardware import arithmetic
from hubel.training.hardware import load as load_module
from hubel.training.hardware.arithmetic import Wishes, choose_arithmetic
from hubel.training.hardware.load import Load
from hubel.training.hardware.store import Store


def counters(path: Path, user: int, idle: int) -> Path:
    path.write_text(f"cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    return path


@pytest.mark.parametrize(("user", "idle", "share"), [(600, 400, 0.6), (0, 900, 0.0), (500, 0, 1.0)])
def test_what_is_neither_idle_nor_ours_is_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, idle: int, share: float
) -> None:
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    load = Load(counters(tmp_path / "stat", 1000, 1000))
    counters(tmp_path / "stat", 1000 + user, 1000 + idle)
    assert load.others() == pytest.approx(share)


def test_our_own_work_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 5.0])
    monkeypatch.setattr(time, "process_time", lambda: next(times))
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    load = Load(counters(tmp_path / "stat", 0, 0))
    counters(tmp_path / "stat", 800, 200)
    assert load.others() == pytest.approx(0.3)


@pytest.mark.parametrize("text", [None, "", "cpu a b c\n", "cpu 1 2\n"])
def test_where_nobody_counts_it_is_not_known(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "stat"
    if text is not None:
        path.write_text(text)
    assert Load(path).others() == 0.0


@pytest.mark.parametrize(("others", "kept"), [(0.05, True), (0.6, False)])
def test_what_was_timed_on_a_busy_machine_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: float, *, kept: bool
) -> None:
    monkeypatch.setattr(arithmetic, "BUSY", load_module.BUSY)
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path))
    monkeypatch.setattr(Load, "others", lambda _: others)
    store = Store(torch.device("cpu"))
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 2))
    inputs = torch.zeros(4, 1, 8, 8)
    wishes = Wishes(precision="float32", channels_last=None, threads=1)
    found = choose_arithmetic(network, inputs, wishes, store)
    assert bool(store.known.networks) is kept
    assert ("not kept, since other programs took 60%" in found.reason) is not kept
