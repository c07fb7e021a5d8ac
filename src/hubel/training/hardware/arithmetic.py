"""Threads, precision and memory format of a network: chosen by timing its own training steps."""

from __future__ import annotations

import copy
import hashlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from hubel.options.train import Precision
from hubel.training.hardware.devices import (
    CPU,
    in_order,
    random_state,
    set_random_state,
    wait_for,
)
from hubel.training.hardware.faster import NOTHING, Own, faster, obstacle
from hubel.training.hardware.limits import thread_counts, usable_threads
from hubel.training.hardware.load import BUSY, Load
from hubel.training.hardware.store import Store, Timed, Timing
from hubel.training.outputs import autocast, each, logits_of

ROUNDS: Final = 5
"""Timed steps a candidate."""
LONGEST_S: Final = 4.0
"""Time after which no further round is begun, once two were."""
LONGEST_STEP_S: Final = 0.3
"""A step that takes longer is timed on fewer pictures."""
LEAST_PICTURES: Final = 8
GAIN: Final = 1.15
"""How much faster a candidate must be than the usual choice to be taken instead."""
HOPELESS: Final = 1.5
"""A candidate so much slower than the best after a round is timed no more."""

Candidate = tuple[Precision, bool, int]
"""Precision, channels-last, threads."""
Measure = Callable[[nn.Module, Tensor, Sequence[Candidate]], Timed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user has set; None where hubel chooses."""

    precision: Precision | None = None
    channels_last: bool | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How a network computes, and why."""

    precision: Precision
    channels_last: bool
    threads: int
    step_ms: float
    """Of a picture's share of a step, as timed; 0 where nothing was."""
    reason: str


def choose_arithmetic(
    module: nn.Module,
    inputs: Tensor,
    wishes: Wishes,
    store: Store,
    device: torch.device = CPU,
    own: Own = NOTHING,
) -> Arithmetic:
    """Choose precision, memory format and threads by timing training steps on a copy of `module`.

    Channels-last float32 on every processor is the usual choice; another one is taken only where
    it is faster by `GAIN`, so that noise does not decide. What the caller sets stands. `inputs` is
    (N, C, H, W); `own` is what hubel computes itself where nothing stands against it. What was
    measured is kept in `store` for this network, input and batch: the same run chooses the same
    again; but nothing is kept of a busy machine, whose times tell little. Weights, random state and
    threads are left as they were.
    """
    candidates = _candidates(wishes, store, device)
    if len(candidates) == 1:
        kind, last, count = candidates[0]
        return Arithmetic(
            precision=kind,
            channels_last=last,
            threads=count,
            step_ms=0.0,
            reason="set by you" if _all_set(wishes) else "nothing else to choose from here",
        )
    key = network_key(module, inputs, [*candidates, own])
    timed, origin = store.timed(key), f", kept in {store.path}"
    if timed is None:
        load = Load()
        timed, others = time_steps(module, inputs, candidates, device, own), load.others()
        if others < BUSY:
            return _best(store.keep_timed(key, timed), "")
        origin = f"; not kept, since other programs took {others:.0%} of the processors meanwhile"
    return _best(timed, origin)


def _candidates(wishes: Wishes, store: Store, device: torch.device) -> list[Candidate]:
    """Return what may be chosen, the usual choice first."""
    machine = store.known.machine
    precisions = (wishes.precision,) if wishes.precision else machine.precisions()
    formats = [True, False] if wishes.channels_last is None else [wishes.channels_last]
    # A GPU's threads only feed it.
    counts = thread_counts(usable_threads()) if device.type == "cpu" else (usable_threads(),)
    chosen = counts if wishes.threads is None else (wishes.threads,)
    return list(itertools.product(precisions, formats, chosen))


def _all_set(wishes: Wishes) -> bool:
    return None not in (wishes.precision, wishes.channels_last, wishes.threads)


def network_key(module: nn.Module, inputs: Tensor, ways: Sequence[object] = ()) -> str:
    """Return a digest of what a step's time depends on: structure, weights' shapes, input."""
    weights = [
        (name, tuple(one.shape), one.requires_grad) for name, one in module.named_parameters()
    ]
    text = repr((str(module), weights, tuple(inputs.shape), list(ways)))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _best(timed: Timed, origin: str) -> Arithmetic:
    usual = timed.timings[0]
    best = min(timed.timings, key=lambda timing: timing.ms)
    chosen = best if best.ms * GAIN < usual.ms else usual
    measured = ", ".join(f"{timing.name()} {timing.ms:.1f} ms" for timing in timed.timings)
    return Arithmetic(
        precision=chosen.precision,
        channels_last=chosen.channels_last,
        threads=chosen.threads,
        step_ms=chosen.ms / timed.pictures,
        reason=f"fastest step on {timed.pictures} pictures: {measured}{origin}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a candidate computes."""

    network: nn.Module
    helped: AbstractContextManager[object]


def time_steps(
    module: nn.Module,
    inputs: Tensor,
    candidates: Sequence[Candidate],
    device: torch.device = CPU,
    own: Own = NOTHING,
) -> Timed:
    """Time forward and backward passes of copies of `module`, the candidates in turns.

    Each computes as it would in training, helped by `own` where that can be. In turns, since a
    machine that others use is slow now and fast then: what is measured in one round is measured
    under one load. The order turns round each time. A candidate is dropped when its steps are
    hopeless beside the best. The fastest step of each counts: what disturbs one makes it longer.
    """
    states, before = random_state(device), torch.get_num_threads()
    twins = {last: _twin(module, last, device) for last in dict.fromkeys(c[1] for c in candidates)}
    ways: dict[Candidate, _Way] = {
        (kind, last, count): _Way(
            network=twins[last],
            helped=faster(twins[last], NOTHING if obstacle(kind, last, device) else own),
        )
        for kind, last, count in candidates
    }
    try:
        pictures = _few_enough(ways, inputs.to(device), candidates[0])
        times: dict[Candidate, list[float]] = {candidate: [] for candidate in candidates}
        for candidate in candidates:
            _step_s(ways, pictures, candidate)  # The first step of each prepares its kernels.
        _rounds(times, lambda candidate: _step_s(ways, pictures, candidate))
    finally:
        torch.set_num_threads(before)
        set_random_state(device, states)
    timings = (
        Timing(
            precision=kind,
            channels_last=last,
            threads=count,
            ms=min(times[kind, last, count]) * 1e3,
        )
        for kind, last, count in candidates
    )
    return Timed(pictures=len(pictures), timings=tuple(timings))


def _rounds(times: dict[Candidate, list[float]], step_s: Callable[[Candidate], float]) -> None:
    """Fill in the times, round by round, of those that are still in the race."""
    racing = list(times)
    began = time.perf_counter()
    for number in range(ROUNDS):
        if number >= 2 and time.perf_counter() - began > LONGEST_S:
            return
        for candidate in racing if number % 2 == 0 else reversed(racing):
            times[candidate].append(step_s(candidate))
        best = min(min(times[candidate]) for candidate in racing)
        racing = [one for one in racing if min(times[one]) <= HOPELESS * best]


def _twin(module: nn.Module, channels_last: bool, device: torch.device) -> nn.Module:
    return in_order(copy.deepcopy(module).to(device), channels_last=channels_last).train()


def _few_enough(ways: Mapping[Candidate, _Way], inputs: Tensor, usual: Candidate) -> Tensor:
    """Return as many of the pictures as a short step takes: halved until it is short.

    A sixteenth of them tells roughly what the whole would take, at a sixteenth of the price.
    """
    few = inputs[: max(len(inputs) // 16, 2)]
    picture_s = min(_step_s(ways, few, usual) for _ in range(2)) / len(few)
    count = len(inputs)
    while count >= 2 * LEAST_PICTURES and count * picture_s > LONGEST_STEP_S:
        count //= 2
    return inputs[:count]


def _step_s(ways: Mapping[Candidate, _Way], pictures: Tensor, candidate: Candidate) -> float:
    """Return the time of a forward and backward pass."""
    kind, last, count = candidate
    way = ways[candidate]
    torch.set_num_threads(count)
    layout = torch.channels_last if last else torch.contiguous_format
    inputs, device = pictures.contiguous(memory_format=layout), pictures.device
    wait_for(device)
    started = time.perf_counter()
    with autocast(device.type, kind), way.helped:
        outputs = way.network(inputs)
    logits_of(each(outputs, lambda logits: logits.float())).square().mean().backward()
    wait_for(device)
    seconds = time.perf_counter() - started
    way.network.zero_grad(set_to_none=True)
    return seconds
