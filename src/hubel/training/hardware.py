"""What this machine can do: threads, arithmetic and memory format of a training."""

from __future__ import annotations

import copy
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from hubel.options.train import Precision

REPEATS: Final = 5
"""Timed steps a candidate."""
GAIN: Final = 1.15
"""How much faster a candidate must be than the usual choice to be taken instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How a network computes, and why."""

    precision: Precision
    channels_last: bool
    reason: str


def available_threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 numbers in hardware."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(flag in text.split() for flag in ("amx_bf16", "avx512_bf16", "bf16"))


def choose_arithmetic(
    module: nn.Module,
    inputs: Tensor,
    *,
    precision: Precision | None = None,
    channels_last: bool | None = None,
) -> Arithmetic:
    """Choose precision and memory format by timing forward and backward on a copy of `module`.

    Channels-last float32 is the usual choice; another one is taken only where it is faster by
    `GAIN` (median of `REPEATS` steps), so that noise does not decide. What the caller sets stands.
    `inputs` is (N, C, H, W). Weights and random state are left as they were.
    """
    if precision is not None and channels_last is not None:
        return Arithmetic(precision=precision, channels_last=channels_last, reason="set by you")
    precisions: list[Precision] = [precision] if precision else ["float32"]
    if precision is None and has_bfloat16():
        precisions.append("bfloat16")
    formats = [channels_last] if channels_last is not None else [True, False]
    candidates = [(kind, last) for kind in precisions for last in formats]
    state = torch.get_rng_state()
    try:
        times = {c: _step_ms(module, inputs, *c) for c in candidates}
    finally:
        torch.set_rng_state(state)
    usual = candidates[0]
    best = min(times, key=times.__getitem__)
    chosen = best if times[best] * GAIN < times[usual] else usual
    measured = ", ".join(f"{_name(*c)} {ms:.1f} ms" for c, ms in times.items())
    return Arithmetic(
        precision=chosen[0],
        channels_last=chosen[1],
        reason=f"median step of {REPEATS} on {len(inputs)} pictures: {measured}",
    )


def _name(precision: Precision, channels_last: bool) -> str:
    return f"{precision} {'channels-last' if channels_last else 'contiguous'}"


def _step_ms(module: nn.Module, inputs: Tensor, precision: Precision, channels_last: bool) -> float:
    """Return the median time of a forward and backward pass of a copy of `module`."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    twin = copy.deepcopy(module).to(memory_format=layout).train()
    pictures = inputs.to(memory_format=layout)
    times: list[float] = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        with torch.autocast(pictures.device.type, torch.bfloat16, precision == "bfloat16"):
            outputs: Tensor = twin(pictures)
        outputs.float().square().mean().backward()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:]) * 1e3
