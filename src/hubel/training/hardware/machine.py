"""The machine's profile: how fast it multiplies matrices, in which precision, on how many threads.

Measured once, in under two seconds, and kept in the user's cache folder (see `store`).
"""

from __future__ import annotations

import hashlib
import statistics
import time
from dataclasses import dataclass
from typing import Final

import torch

from hubel.options.train import Precision
from hubel.training.hardware.devices import device_name, wait_for
from hubel.training.hardware.limits import thread_counts, usable_threads
from hubel.training.provenance import processor_name

PROBE: Final = 256
"""Side of the matrices of a first look: where there is no hardware for it, one takes 0.1 s."""
SIDES: Final = {"cpu": 768, "cuda": 4096, "mps": 2048}
"""Sides of the matrices that are measured."""
TIMES: Final = 5
WORTH_TRYING: Final = 1.3
"""How much faster than float32 a precision must multiply before a network is timed in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast square matrices are multiplied."""

    precision: Precision
    threads: int
    flops: float
    """A second: 2 side³ / median time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was measured of a machine and a device."""

    processor: str
    device: str
    """What the device calls itself: cpu, mps, or a GPU's model."""
    torch: str
    threads: int
    """Most threads that make sense here."""
    rates: tuple[Rate, ...]

    def precisions(self) -> tuple[Precision, ...]:
        """Return float32, and the first of bfloat16 and float16 that multiplies clearly faster.

        float16 only on a GPU: it needs its losses scaled, and is for what has nothing better.
        """
        best: dict[Precision, float] = {}
        for rate in self.rates:
            best[rate.precision] = max(best.get(rate.precision, 0.0), rate.flops)
        kinds: tuple[Precision, ...] = ("bfloat16",)
        if self.device != "cpu":
            kinds = ("bfloat16", "float16")
        worth = WORTH_TRYING * best.get("float32", float("inf"))
        fast: list[Precision] = [kind for kind in kinds if best.get(kind, 0.0) > worth]
        return ("float32", *fast[:1])

    def sentence(self) -> str:
        """Return the profile in one line."""
        most = max((rate.threads for rate in self.rates), default=1)
        rates = ", ".join(
            f"{rate.precision} {rate.flops / 1e9:,.3g} GFLOP/s"
            for rate in self.rates
            if rate.threads == most
        )
        where = self.processor if self.device == "cpu" else self.device
        plural = "s" if self.threads > 1 else ""
        return f"This machine: {where}, {self.threads} thread{plural}; matrix products: {rates}."


def machine_key(device: torch.device) -> str:
    """Return what a measurement depends on, as a short digest.

    It depends on processor, torch, threads and device.
    """
    parts = (processor_name(), str(torch.__version__), str(usable_threads()), device_name(device))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def measure_machine(device: torch.device) -> Machine:
    """Measure the matrix products of a device; random state and threads are left as they were."""
    most, before = usable_threads(), torch.get_num_threads()
    counts = thread_counts(most) if device.type == "cpu" else (before,)
    try:
        rates = [rate for count in counts for rate in _rates(device, count)]
    finally:
        torch.set_num_threads(before)
    return Machine(
        processor=processor_name(),
        device=device_name(device),
        torch=str(torch.__version__),
        threads=most,
        rates=tuple(rates),
    )


def _rates(device: torch.device, threads: int) -> list[Rate]:
    """Return the rates on so many threads; a precision without hardware is told by its probe."""
    torch.set_num_threads(threads)
    rates: list[Rate] = []
    kinds: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
    probes = {kind: _rate(device, kind, threads, PROBE, 2) for kind in kinds}
    for kind in kinds:
        probe = probes[kind]
        if probe is not None and probe.flops > _floor(probes["float32"]):
            rates.append(_rate(device, kind, threads, SIDES[device.type], TIMES) or probe)
        elif probe is not None:
            rates.append(probe)
    return rates


def _floor(float32: Rate | None) -> float:
    """Return the rate below which a precision is computed without hardware of its own."""
    return float32.flops / 4 if float32 else 0.0


def _rate(
    device: torch.device, kind: Precision, threads: int, side: int, times: int
) -> Rate | None:
    """Return the median rate of `times` products after one not timed; None where torch has none."""
    try:
        matrix = torch.zeros(side, side, dtype=getattr(torch, kind), device=device)
        seconds: list[float] = []
        for _ in range(times + 1):
            started = time.perf_counter()
            torch.mm(matrix, matrix)
            wait_for(device)
            seconds.append(time.perf_counter() - started)
    except (RuntimeError, TypeError):  # this build or device has no such product
        return None
    median = statistics.median(seconds[1:])
    return Rate(precision=kind, threads=threads, flops=2 * side**3 / median)
