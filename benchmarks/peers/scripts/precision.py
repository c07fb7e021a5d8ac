"""Whether bfloat16 is faster here: tried, since some processors that have it are slower in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 5


def bfloat16_pays(framework: str) -> bool:
    """Return whether the processor has bfloat16 and `framework`, torch or jax, is faster in it."""
    if not has_bfloat16():
        return False
    multiply = _torch() if framework == "torch" else _jax()
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(-1, ROUNDS):  # The first one prepares the kernels.
        for low, measured in times.items():
            started = time.perf_counter()
            multiply(low)
            if number >= 0:
                measured.append(time.perf_counter() - started)
    return statistics.median(times[True]) < statistics.median(times[False])


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 in hardware."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _torch() -> Callable[[bool], object]:
    """Return a convolution of ResNet-18 with its gradients, in either precision."""
    import torch

    layer = torch.nn.Conv2d(128, 128, 3, padding=1).to(memory_format=torch.channels_last)
    pictures = torch.randn(32, 128, 16, 16).to(memory_format=torch.channels_last)
    pictures.requires_grad_()

    def multiply(low: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            layer(pictures).float().square().mean().backward()

    return multiply


def _jax() -> Callable[[bool], object]:
    """Return a product of matrices, in either precision."""
    import jax
    from jax import numpy

    matrices = {low: numpy.ones((1024, 1024), "bfloat16" if low else "float32") for low in (0, 1)}
    product = jax.jit(lambda one: one @ one)
    return lambda low: product(matrices[low]).block_until_ready()
