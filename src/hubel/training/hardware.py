"""What this machine can do: threads, arithmetic and memory format of a training."""

from __future__ import annotations

import copy
import itertools
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from hubel.data.parallel import available_threads
from hubel.options.train import Precision
from hubel.training.outputs import logits_of

REPEATS: Final = 5
"""Timed steps a candidate."""
LONGEST_S: Final = 1.0
"""Time after which no further step of a candidate is timed."""
GAIN: Final = 1.15
"""How much faster a candidate must be than the usual choice to be taken instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How a network computes, and why."""

    precision: Precision
    channels_last: bool
    threads: int
    reason: str


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
    threads: int | None = None,
) -> Arithmetic:
    """Choose precision, memory format and threads by timing training steps on a copy of `module`.

    Channels-last float32 on every processor is the usual choice; another one is taken only where
    it is faster by `GAIN` (median of at most `REPEATS` steps), so that noise does not decide: small
    networks lose more by waking threads than they gain. What the caller sets stands. `inputs` is
    (N, C, H, W). Weights, random state and PyTorch's own threads are left as they were.
    """
    precisions: list[Precision] = [precision] if precision else ["float32"]
    if precision is None and has_bfloat16():
        precisions.append("bfloat16")
    formats = [channels_last] if channels_last is not None else [True, False]
    counts = [threads] if threads is not None else sorted({available_threads(), 1}, reverse=True)
    candidates = list(itertools.product(precisions, formats, counts))
    if len(candidates) == 1:
        kind, last, count = candidates[0]
        return Arithmetic(precision=kind, channels_last=last, threads=count, reason="set by you")
    state, before = torch.get_rng_state(), torch.get_num_threads()
    try:
        times = {candidate: _step_ms(module, inputs, *candidate) for candidate in candidates}
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)
    usual = candidates[0]
    best = min(times, key=times.__getitem__)
    kind, last, count = best if times[best] * GAIN < times[usual] else usual
    measured = ", ".join(f"{_name(*c)} {ms:.1f} ms" for c, ms in times.items())
    return Arithmetic(
        precision=kind,
        channels_last=last,
        threads=count,
        reason=f"median step on {len(inputs)} pictures: {measured}",
    )


def _name(precision: Precision, channels_last: bool, threads: int) -> str:
    layout = "channels-last" if channels_last else "contiguous"
    return f"{precision} {layout} on {threads} thread{'s' if threads > 1 else ''}"


def _step_ms(
    module: nn.Module, inputs: Tensor, precision: Precision, channels_last: bool, threads: int
) -> float:
    """Return the median time of a forward and backward pass of a copy of `module`."""
    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    twin = copy.deepcopy(module).to(memory_format=layout).train()
    pictures = inputs.to(memory_format=layout)
    times: list[float] = []
    began = time.perf_counter()
    # On a busy machine many threads can be a hundred times slower than one: a second is enough.
    while len(times) <= REPEATS and (len(times) < 2 or time.perf_counter() - began < LONGEST_S):
        started = time.perf_counter()
        with torch.autocast(pictures.device.type, torch.bfloat16, precision == "bfloat16"):
            outputs = logits_of(twin(pictures))
        outputs.float().square().mean().backward()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:]) * 1e3
