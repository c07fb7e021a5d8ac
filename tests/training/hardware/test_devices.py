"""Devices: named, chosen, refused where they are not there; batches and random states go along."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
import torch
from torch import nn

from hubel.data.batching import Batch
from hubel.errors import UsageError
from hubel.training.hardware import devices, transfer
from hubel.training.hardware.devices import (
    choose_device,
    in_order,
    random_state,
    same_bits,
    set_random_state,
)
from hubel.training.hardware.transfer import on_device

CPU = torch.device("cpu")


def pretend(monkeypatch: pytest.MonkeyPatch, *, gpus: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(devices, "_has_mps", lambda: mps)


@pytest.mark.parametrize(
    ("gpus", "mps", "expected"),
    [(0, False, "cpu"), (0, True, "mps"), (2, True, "cuda:0"), (1, False, "cuda:0")],
)
def test_auto_takes_the_fastest_kind(
    monkeypatch: pytest.MonkeyPatch, gpus: int, mps: bool, expected: str
) -> None:
    pretend(monkeypatch, gpus=gpus, mps=mps)
    assert str(choose_device("auto")) == expected
    assert str(choose_device("cpu")) == "cpu"


def test_a_gpu_is_chosen_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=2, mps=False)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cuda") == torch.device("cuda", 0)
    with pytest.raises(UsageError, match=r"--device cuda:2: .* here: cuda:0, cuda:1; leave"):
        choose_device("cuda:2")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("cuda", r"--device cuda: PyTorch .* finds these GPUs of CUDA here: none; .*--device cpu"),
        ("cuda:1", "--device cuda:1: PyTorch"),
        ("mps", "--device mps: PyTorch finds no GPU of Apple's here"),
        ("gpu", "--device takes auto, cpu, cuda, cuda:NUMBER or mps, not 'gpu'"),
        ("cuda:x", "not 'cuda:x'"),
        ("cuda:", "not 'cuda:'"),
        ("mps:0", "not 'mps:0'"),
    ],
)
def test_a_device_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, wanted: str, message: str
) -> None:
    pretend(monkeypatch, gpus=0, mps=False)
    with pytest.raises(UsageError, match=message):
        choose_device(wanted)


class Generators:
    """What torch.cuda and torch.mps have for random states."""

    def __init__(self) -> None:
        self.state = torch.tensor([1, 2], dtype=torch.uint8)

    def get_rng_state(self) -> torch.Tensor:
        return self.state

    def set_rng_state(self, state: torch.Tensor) -> None:
        self.state = state


def test_the_random_state_of_a_device_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    generators = Generators()
    monkeypatch.setattr(
        devices, "_module", lambda device: None if device.type == "cpu" else generators
    )
    mps = torch.device("mps")
    states = random_state(mps)
    assert set(states) == {"torch", "mps"}
    expected = torch.rand(3)
    generators.state = torch.zeros(2, dtype=torch.uint8)
    set_random_state(mps, states)
    assert torch.equal(torch.rand(3), expected)
    assert generators.state.tolist() == [1, 2]
    # A run that began on the processor has none for the device.
    set_random_state(mps, random_state(CPU))
    assert generators.state.tolist() == [1, 2]


def test_a_gpu_computes_the_same_each_time_and_all_is_restored() -> None:
    def now() -> tuple[bool, bool, bool]:
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.benchmark,
        )

    before = now()
    with same_bits(CPU):
        assert now() == before
    with pytest.raises(RuntimeError, match="inside"), same_bits(torch.device("cuda", 0)):
        assert now() == (True, True, False)
        raise RuntimeError("inside")
    assert now() == before


class Batches:
    """A stream of batches that knows how far it was asked, and whether it was closed."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = False

    def stream(self) -> Generator[Batch, None, None]:
        try:
            for number in range(4):
                self.made += 1
                yield Batch(
                    inputs=torch.full((2, 1, 2, 2), float(number)),
                    targets=torch.tensor([number, number]),
                    positions=np.array([number, number]),
                    waited_s=0.5,
                )
        finally:
            self.closed = True


def test_on_a_processor_the_batches_are_themselves() -> None:
    stream = Batches().stream()
    assert on_device(stream, CPU) is stream


def test_on_another_device_a_batch_is_copied_one_ahead() -> None:
    batches = Batches()
    moved = on_device(batches.stream(), torch.device("meta"))
    first = next(moved)
    assert batches.made == 2
    assert first.inputs.device.type == first.targets.device.type == "meta"
    assert first.positions.tolist() == [0, 0]
    assert [batch.positions[0] for batch in moved] == [1, 2, 3]


def test_closing_the_copies_closes_the_loader() -> None:
    batches = Batches()
    moved = on_device(batches.stream(), torch.device("meta"))
    next(moved)
    moved.close()
    assert batches.closed


def test_cuda_is_reached_through_pinned_memory() -> None:
    class Picture:
        pinned = False

        def pin_memory(self) -> Picture:
            self.pinned = True
            return self

        def to(self, device: torch.device, **how: bool) -> tuple[bool, str, dict[str, bool]]:
            return self.pinned, str(device), how

    seen = transfer.moved_to(Picture(), torch.device("cuda", 1))
    assert seen == (True, "cuda:1", {"non_blocking": True})
    assert transfer.moved_to(Picture(), torch.device("mps")) == (False, "mps", {})


@pytest.mark.parametrize("channels_last", [True, False])
def test_kernels_are_brought_into_order_where_they_have_one(channels_last: bool) -> None:
    network = nn.Sequential(nn.Conv3d(1, 2, 3), nn.Conv2d(2, 4, 3), nn.Linear(4, 2))
    for _ in range(2):
        assert in_order(network, channels_last=channels_last) is network
        kernel = network[1].weight
        assert kernel.is_contiguous(memory_format=torch.channels_last) == channels_last
        assert kernel.is_contiguous() != channels_last
        assert network[0].weight.is_contiguous()
        in_order(network, channels_last=not channels_last)
