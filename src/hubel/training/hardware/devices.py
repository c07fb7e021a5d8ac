"""Where a network computes: the processor, a GPU of CUDA, or Apple's (mps)."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hubel.errors import UsageError

CPU = torch.device("cpu")


def in_order(module: nn.Module, *, channels_last: bool) -> nn.Module:
    """Return the network, its kernels (outputs, inputs, h, w) brought into an order of memory.

    Kernels of other dimensions, as of three-dimensional convolutions, have no such order and stay.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.ndim == 4:
            # Not `contiguous`, which leaves the strides of a kernel of one channel as they are.
            tensor.data = tensor.data.to(memory_format=layout)
    return module


def choose_device(wanted: str = "auto") -> torch.device:
    """Return the device called `wanted`; auto takes cuda where there is one, else mps, else cpu.

    Errors: UsageError for a name that is none of auto, cpu, cuda, cuda:NUMBER and mps, and for a
    device that this machine, or this build of PyTorch, does not have.
    """
    name, _, number = wanted.partition(":")
    numbered = name == "cuda" and number.isdecimal() and number.isascii()
    if wanted not in {"auto", "cpu", "cuda", "mps"} and not numbered:
        raise UsageError(f"--device takes auto, cpu, cuda, cuda:NUMBER or mps, not {wanted!r}.")
    if wanted == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu"
    if name == "cpu":
        return CPU
    if name == "mps":
        if not _has_mps():
            raise UsageError(
                "--device mps: PyTorch finds no GPU of Apple's here: leave --device out, or give "
                "--device cpu."
            )
        return torch.device("mps")
    return _cuda(wanted, int(number or 0))


def _cuda(wanted: str, number: int) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= count:
        found = ", ".join(f"cuda:{index}" for index in range(count)) or "none"
        raise UsageError(
            f"--device {wanted}: PyTorch {torch.__version__} finds these GPUs of CUDA here: "
            f"{found}; leave --device out, or give --device {'cuda' if count else 'cpu'}."
        )
    return torch.device("cuda", number)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def device_name(device: torch.device) -> str:
    """Return what the device calls itself: a GPU's model, else its type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def wait_for(device: torch.device) -> None:
    """Return when everything that was asked of the device is done; a processor never lags."""
    module = _module(device)
    if module is not None:
        module.synchronize()


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of PyTorch's generators by name: the processor's and the device's."""
    states = {"torch": torch.get_rng_state()}
    module = _module(device)
    if module is not None:
        states[device.type] = module.get_rng_state()
    return states


def set_random_state(device: torch.device, states: dict[str, Tensor]) -> None:
    """Go back to states that `random_state` returned; KeyError where the processor's is missing.

    A device whose state is not among them (the run moved to this machine) keeps its own.
    """
    torch.set_rng_state(states["torch"])
    module = _module(device)
    if module is not None and device.type in states:
        module.set_rng_state(states[device.type])


@contextmanager
def same_bits(device: torch.device) -> Generator[None]:
    """Let a GPU compute the same way each time, as far as its kernels can; the rest warns.

    On a processor nothing is changed: its kernels give the same bits already.
    """
    if device.type == "cpu":
        yield
        return
    # cuBLAS reads this when it starts; without it its products are not reproducible.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]


def _module(device: torch.device) -> Any:
    """Return torch's module of a device (torch.cuda, torch.mps); None for the processor."""
    if device.type == "cpu":
        return None
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return torch.get_device_module(device)
