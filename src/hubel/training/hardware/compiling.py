"""torch.compile, only where it pays within the run: compiling takes up to minutes."""

from __future__ import annotations

import copy
import os
import shutil
import statistics
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from hubel.errors import UsageError
from hubel.options.train import Compiling
from hubel.training.hardware.arithmetic import Arithmetic, Candidate, network_key
from hubel.training.hardware.devices import (
    CPU,
    in_order,
    random_state,
    set_random_state,
    wait_for,
)
from hubel.training.hardware.faster import NOTHING, Own, faster
from hubel.training.hardware.store import Compiled, Store
from hubel.training.outputs import forward, logits_of

WORTH_MEASURING_S: Final = 1800.0
"""Length of the shortest run for which trying it out, a minute or two, is 5% or less."""
RETURN: Final = 2.0
"""How many times its own time compiling must save."""
STEPS: Final = 3
COMPILERS: Final = ("c++", "g++", "clang++", "cl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """Whether the network is compiled, and why."""

    compiles: bool
    reason: str


def has_compiler(device: torch.device = CPU, environment: Mapping[str, str] | None = None) -> bool:
    """Return whether torch.compile finds what it needs: a C++ compiler; for CUDA triton too."""
    given = os.environ if environment is None else environment
    names = (given["CXX"],) if given.get("CXX") else COMPILERS
    if not any(shutil.which(name, path=given.get("PATH")) for name in names):
        return False
    if device.type != "cuda":
        return True
    from importlib.util import find_spec

    return find_spec("triton") is not None


def choose_compile(
    wanted: Compiling,
    module: nn.Module,
    inputs: Tensor,
    arithmetic: Arithmetic,
    run_s: float,
    store: Store,
    device: torch.device = CPU,
    own: Own = NOTHING,
) -> Compilation:
    """Choose whether to compile a network whose training takes about `run_s` seconds as it is.

    With p the step as it is, helped by `own`, c the compiled one, which is not, and t the seconds
    that compiling takes, it pays where

        run_s (1 - c / p)  >=  RETURN t.

    p, c and t are measured once a network and kept; and only for runs that are long enough.
    Errors: UsageError where the user asks for it and there is no compiler.
    """
    if wanted == "no":
        return Compilation(compiles=False, reason="set by you")
    if not has_compiler(device):
        if wanted == "yes":
            raise UsageError(
                "--compile yes needs a C++ compiler (c++, g++, clang++, or the one that CXX names),"
                " and triton for CUDA, but none is installed here: install one, or leave it out."
            )
        return Compilation(compiles=False, reason="there is no compiler here")
    if wanted == "yes":
        return Compilation(compiles=True, reason="set by you")
    key = network_key(module, inputs, [_way(arithmetic), own])
    known = store.compiled(key)
    if known is None and run_s < WORTH_MEASURING_S:
        reason = f"about {run_s:,.0f} s of training are too short for compiling to pay"
        if not run_s:
            reason = "how long the training takes is not known: no step was timed"
        return Compilation(compiles=False, reason=reason)
    if known is None:
        known = try_compiling(module, inputs, arithmetic, device, own)
        store.keep_compiled(key, known)
    return _judge(known, run_s)


def _way(arithmetic: Arithmetic) -> Candidate:
    return arithmetic.precision, arithmetic.channels_last, arithmetic.threads


def _judge(known: Compiled, run_s: float) -> Compilation:
    saved_s = run_s * (1 - known.compiled_ms / known.plain_ms)
    pays = saved_s >= RETURN * known.compile_s
    return Compilation(
        compiles=pays,
        reason=f"a step takes {known.plain_ms:.1f} ms, compiled {known.compiled_ms:.1f} ms; "
        f"compiling takes {known.compile_s:.0f} s and would save {max(saved_s, 0):,.0f} s",
    )


def try_compiling(
    module: nn.Module,
    inputs: Tensor,
    arithmetic: Arithmetic,
    device: torch.device = CPU,
    own: Own = NOTHING,
) -> Compiled:
    """Measure what compiling does for a copy of `module`: medians of steps in turns.

    A network that cannot be compiled counts as one that gains nothing.
    """
    states, before = random_state(device), torch.get_num_threads()
    layout = torch.channels_last if arithmetic.channels_last else torch.contiguous_format
    plain = copy.deepcopy(module).to(device).train()
    in_order(plain, channels_last=arithmetic.channels_last)
    compiled = copy.deepcopy(plain)
    pictures = inputs.to(device).contiguous(memory_format=layout)
    try:
        torch.set_num_threads(arithmetic.threads)
        compile_network(compiled)
        helped = faster(plain, own)
        ways = ((plain, helped), (compiled, nullcontext()))
        try:
            first_s = _step_s(*ways[1], pictures, arithmetic)
        except Exception:  # noqa: BLE001 - whatever the compiler raises, the network trains without
            return Compiled(plain_ms=1.0, compiled_ms=1.0, compile_s=0.0)
        _step_s(*ways[0], pictures, arithmetic)
        pairs = [[_step_s(*way, pictures, arithmetic) for way in ways] for _ in range(STEPS)]
    finally:
        torch.set_num_threads(before)
        set_random_state(device, states)
    plain_s, compiled_s = (statistics.median(pair[index] for pair in pairs) for index in (0, 1))
    return Compiled(
        plain_ms=plain_s * 1e3, compiled_ms=compiled_s * 1e3, compile_s=first_s - compiled_s
    )


def compile_network(module: nn.Module) -> None:
    """Let `module` run compiled from its next call on; its weights and their names stay.

    Each shape is compiled for itself. A kernel for any shape would be made at the first odd batch
    and used from then on, and a run that is resumed after it would round differently.
    """
    module.compile(dynamic=False)


def _step_s(
    module: nn.Module,
    context: AbstractContextManager[object],
    pictures: Tensor,
    arithmetic: Arithmetic,
) -> float:
    wait_for(pictures.device)
    started = time.perf_counter()
    with context:
        outputs = forward(module, pictures, arithmetic.precision)
    logits_of(outputs).square().mean().backward()
    wait_for(pictures.device)
    seconds = time.perf_counter() - started
    module.zero_grad(set_to_none=True)
    return seconds
