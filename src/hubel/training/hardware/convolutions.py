"""Winograd's algorithm for the convolutions of a network that are faster by it, each measured."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hubel.errors import UsageError
from hubel.nn.native import library
from hubel.nn.winograd import winograd_conv2d
from hubel.nn.winograd.tiling import TAPS
from hubel.options.train import Winograd
from hubel.training.hardware.arithmetic import GAIN, Arithmetic, Wishes
from hubel.training.hardware.devices import CPU, random_state, set_random_state
from hubel.training.hardware.faster import (
    NOTHING,
    Call,
    Layer,
    Own,
    layer_of,
    obstacle,
    three_by_three,
)
from hubel.training.hardware.limits import usable_threads
from hubel.training.hardware.load import BUSY, Load
from hubel.training.hardware.store import Convolved, Store

ROUNDS: Final = 3
MOST_OPERATIONS: Final = 4e9
"""Multiplications and additions of a timed convolution: it is given so many pictures at most."""
LEAST_OPERATIONS: Final = 5e7
"""Of a layer in a step: below, it takes under a millisecond or two, and noise would choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which convolutions go by Winograd's algorithm, and why."""

    layers: tuple[Layer, ...]
    reason: str


def choose_winograd(
    wanted: Winograd,
    module: nn.Module,
    inputs: Tensor,
    arithmetic: Arithmetic,
    store: Store,
    device: torch.device = CPU,
) -> Chosen:
    """Choose the convolutions of `module` on `inputs` (n, c, h, w) that go by Winograd's algorithm.

    A layer of at least `LEAST_OPERATIONS` does where convolution and gradients take less by `GAIN`
    so, as measured once a layer and number of threads, and kept for later runs unless the machine
    was busy.
    Weights, random state and threads are left as they were.
    Errors: UsageError where the user asks for it and the network computes in another precision or
    elsewhere than on a processor.
    """
    if wanted == "no":
        return _none("set by you")
    found = obstacle(arithmetic.precision, arithmetic.channels_last, device)
    if found:
        if wanted == "yes":
            raise UsageError(
                f"--winograd yes needs float32 in channels-last order on a processor, but "
                f"{found}: leave it out, or set --device cpu, --precision float32 and "
                "--channels-last."
            )
        return _none(found)
    layers = _layers(module, inputs)
    if not layers:
        return _none("no convolution has 3×3 taps and stride 1")
    if wanted == "yes":
        return Chosen(layers=tuple(layers), reason="set by you")
    large = {
        layer: padding
        for layer, padding in layers.items()
        if _operations(layer) * len(inputs) >= LEAST_OPERATIONS
    }
    if not large:
        return _none("convolutions with 3×3 taps and stride 1 are too small here to gain")
    timed = _timed(large, len(inputs), arithmetic, store)
    faster = tuple(one for one, ms in timed.items() if ms.winograd_ms * GAIN < ms.direct_ms)
    told = ", ".join(
        f"{_name(one)} {ms.direct_ms:.1f} ms, so {ms.winograd_ms:.1f} ms"
        for one, ms in timed.items()
    )
    return Chosen(
        layers=faster,
        reason=f"fastest of {ROUNDS} convolutions with their gradients: {told}",
    )


def _none(reason: str) -> Chosen:
    return Chosen(layers=(), reason=reason)


def likely_own(
    wanted: Winograd,
    module: nn.Module,
    inputs: Tensor,
    wishes: Wishes,
    store: Store,
    device: torch.device = CPU,
) -> Own:
    """Return what hubel will compute itself if the arithmetic is the usual one, not yet chosen."""
    usual = Arithmetic(
        precision=wishes.precision or "float32",
        channels_last=wishes.channels_last is not False,
        threads=wishes.threads or usable_threads(),
        step_ms=0.0,
        reason="",
    )
    if obstacle(usual.precision, usual.channels_last, device):
        return NOTHING
    layers = choose_winograd(wanted, module, inputs, usual, store, device).layers
    return Own(layers=layers, native=library() is not None)


def _name(layer: Layer) -> str:
    channels, outputs, height, width = layer
    return f"{channels}→{outputs} at {height}×{width}"


class _Listener(TorchFunctionMode):
    """Notes the convolutions that Winograd's algorithm can compute."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: dict[Layer, Call] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.conv2d:
            call = three_by_three(*args, **(kwargs or {}))
            if call is not None:
                self.layers.setdefault(layer_of(call[0], call[1]), call)
        return func(*args, **(kwargs or {}))


def _layers(module: nn.Module, inputs: Tensor) -> dict[Layer, tuple[int, int]]:
    """Return the layers that can, as evaluating two pictures calls them, with their padding."""
    states, listener = random_state(CPU), _Listener()
    twin = copy.deepcopy(module).eval()
    try:
        with listener, torch.no_grad():
            twin(inputs[:2])
    except Exception:  # noqa: BLE001 - what a network raises is said of its first step
        return {}
    finally:
        set_random_state(CPU, states)
    return {layer: call[3] for layer, call in listener.layers.items()}


def _timed(
    layers: dict[Layer, tuple[int, int]], most: int, arithmetic: Arithmetic, store: Store
) -> dict[Layer, Convolved]:
    """Return how long each layer takes, as kept or as measured now."""
    load, before = Load(), torch.get_num_threads()
    native = "" if library() is None else ", compiled"
    keys: dict[Layer, str] = {}
    known: dict[str, Convolved] = {}
    new: dict[str, Convolved] = {}
    states = random_state(CPU)
    try:
        torch.set_num_threads(arithmetic.threads)
        for layer, padding in layers.items():
            pictures = _pictures(layer, most)
            key = f"{pictures} × {_name(layer)}, {arithmetic.threads} threads{native}"
            kept = store.convolved(key)
            if kept is None:
                new[key] = time_convolution(layer, padding, pictures)
            else:
                known[key] = kept
            keys[layer] = key
    finally:
        torch.set_num_threads(before)
        set_random_state(CPU, states)
    if new:
        known |= store.keep_convolved(new, lasting=load.others() < BUSY)
    return {layer: known[key] for layer, key in keys.items()}


def _pictures(layer: Layer, most: int) -> int:
    """Return on how many pictures a layer is timed."""
    return max(1, min(most, int(MOST_OPERATIONS / _operations(layer))))


def _operations(layer: Layer) -> int:
    """Return a layer's multiplications and additions for one picture."""
    channels, outputs, height, width = layer
    return 2 * TAPS * TAPS * channels * outputs * height * width


def time_convolution(layer: Layer, padding: tuple[int, int], pictures: int) -> Convolved:
    """Time a convolution and its gradients both ways, in turns; the fastest of each counts."""
    channels, outputs, height, width = layer
    shapes = (pictures, channels, height, width), (outputs, channels, TAPS, TAPS)
    inputs, weight = (
        torch.randn(shape).to(memory_format=torch.channels_last).requires_grad_()
        for shape in shapes
    )
    ways: tuple[Callable[[], Tensor], ...] = (
        lambda: F.conv2d(inputs, weight, padding=padding),
        lambda: winograd_conv2d(inputs, weight, padding=padding),
    )
    times: tuple[list[float], ...] = ([], [])
    for number in range(-1, ROUNDS):  # The first one prepares the kernels.
        for way, measured in zip(ways, times, strict=True):
            started = time.perf_counter()
            given = way()
            torch.autograd.grad(given, (inputs, weight), given.detach())
            if number >= 0:
                measured.append((time.perf_counter() - started) * 1e3)
    return Convolved(direct_ms=min(times[0]), winograd_ms=min(times[1]))
