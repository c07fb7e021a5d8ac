"""The pictures that are computed at a time fit into the memory that there is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.analysis.memory import training_peak
from hubel.tracing import trace
from hubel.training.hardware import memory
from hubel.training.hardware.memory import MARGIN, fit_memory

CPU = torch.device("cpu")
SHAPE = (3, 16, 16)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2048, 5),
    )


def needed(pictures: int) -> float:
    return MARGIN * training_peak(trace(network(), SHAPE, batch=pictures))


@pytest.mark.parametrize(
    ("room_for", "expected"), [(64, 64), (63, 32), (32, 32), (31, 16), (5, 4), (2, 2), (1, 2)]
)
def test_the_batch_is_halved_until_it_fits(room_for: int, expected: int) -> None:
    fit = fit_memory(network(), SHAPE, 64, CPU, available=int(needed(room_for)) + 1)
    assert fit.pictures == expected
    assert fit.fits is (expected == 64)
    assert expected <= 2 or needed(expected) <= needed(room_for) + 1


def test_an_odd_batch_is_halved_upwards() -> None:
    fit = fit_memory(network(), SHAPE, 51, CPU, available=int(needed(26)) + 1)
    assert fit.pictures == 26
    assert fit_memory(network(), SHAPE, 1, CPU, available=1).pictures == 1


def test_with_plenty_of_room_one_small_look_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def peak(_module: nn.Module, _shape: tuple[int, ...], pictures: int) -> int:
        looks.append(pictures)
        return 1000 * pictures

    monkeypatch.setattr(memory, "_peak", peak)
    assert fit_memory(network(), SHAPE, 64, CPU, available=10**9).fits
    assert looks == [2]


def test_the_reason_has_the_figures() -> None:
    fit = fit_memory(network(), SHAPE, 64, CPU, available=1_000_000)
    gigabytes = needed(64) / 1e9
    assert fit.reason == (
        f"a step on 64 needs about {gigabytes:.2f} GB of the 0.00 GB that are available"
    )


def test_what_is_not_known_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreadable(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            raise ZeroDivisionError("not today")

    fit = fit_memory(Unreadable(), SHAPE, 64, CPU, available=1)
    assert (fit.pictures, fit.fits) == (64, True)
    monkeypatch.setattr(memory, "available_memory", lambda _device: None)
    assert fit_memory(network(), SHAPE, 64, CPU).fits
