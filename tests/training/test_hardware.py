"""The choice of arithmetic leaves weights and random state as they were."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.training import hardware
from hubel.training.hardware import choose_arithmetic


def test_nothing_is_changed_by_measuring() -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten())
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    pictures = torch.ones(4, 1, 8, 8)
    torch.manual_seed(5)
    expected = torch.rand(8)
    torch.manual_seed(5)
    choose_arithmetic(module, pictures)
    assert torch.equal(torch.rand(8), expected)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_what_is_set_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_step_ms", None)
    chosen = choose_arithmetic(
        nn.Identity(), torch.zeros(1, 1, 1, 1), precision="float32", channels_last=False, threads=3
    )
    assert (chosen.precision, chosen.channels_last, chosen.threads) == ("float32", False, 3)
    assert chosen.reason == "set by you"


@pytest.mark.parametrize(("contiguous_ms", "expected"), [(9.5, True), (8.0, False), (12.0, True)])
def test_only_a_clear_gain_changes_the_usual_choice(
    monkeypatch: pytest.MonkeyPatch, contiguous_ms: float, expected: bool
) -> None:
    times = {True: 10.0, False: contiguous_ms}
    monkeypatch.setattr(hardware, "has_bfloat16", lambda: False)
    monkeypatch.setattr(hardware, "_step_ms", lambda _m, _i, _p, last, _t: times[last])
    chosen = choose_arithmetic(nn.Identity(), torch.zeros(1, 1, 1, 1))
    assert chosen.channels_last is expected
    assert f"{contiguous_ms:.1f} ms" in chosen.reason


def test_few_threads_are_taken_where_they_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "has_bfloat16", lambda: False)
    monkeypatch.setattr(hardware, "available_threads", lambda: 8)
    before = torch.get_num_threads()
    for single_ms, expected in ((5.0, 1), (9.5, 8)):
        times = {8: 10.0, 1: single_ms}
        monkeypatch.setattr(hardware, "_step_ms", lambda _m, _i, _p, _l, n, t=times: t[n])
        assert choose_arithmetic(nn.Identity(), torch.zeros(1, 1, 1, 1)).threads == expected
    assert torch.get_num_threads() == before


def test_bfloat16_is_taken_where_the_hardware_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "has_bfloat16", lambda: True)
    monkeypatch.setattr(
        hardware, "_step_ms", lambda _m, _i, kind, _l, _t: {"float32": 10.0, "bfloat16": 4.0}[kind]
    )
    assert choose_arithmetic(nn.Identity(), torch.zeros(1, 1, 1, 1)).precision == "bfloat16"
