"""What watching costs: the same loop with and without the doctor, by turns in one process."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Final

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hubel
from benchmarks.recording import Section
from hubel.architectures import load

MEDIAN: Final = 0.02
WORST: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One network with its data."""

    name: str
    architecture: str
    size: int
    channels: int
    batch: int


CASES: Final = (
    Case(name="hubelnet, 28 px", architecture="hubelnet", size=28, channels=1, batch=64),
    Case(name="resnet18, 64 px", architecture="resnet18", size=64, channels=3, batch=32),
    Case(name="mobilenet_v2, 64 px", architecture="mobilenet_v2", size=64, channels=3, batch=32),
    Case(name="lenet5, digits", architecture="lenet5", size=32, channels=1, batch=64),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was measured of one network."""

    case: Case
    step_ms: float
    """Median over blocks, without the doctor."""
    blocks: int
    median: float
    """Of time with the doctor to time without, less 1, over pairs of neighbouring blocks."""
    whole: float
    """The same of all blocks together, the doctor's first probe among them."""
    fixed_s: float
    """What the doctor does before the first step and after the last one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how long to measure."""
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="a network, both sides [default: 120]"
    )
    parser.add_argument("--block", type=int, default=10, help="steps before a turn [default: 10]")
    parser.add_argument("--threads", type=int, default=1, help="of the arithmetic [default: 1]")
    parser.add_argument("--only", action="append", help="networks, by architecture [default: all]")


def measure(seconds: float, block: int, threads: int, only: list[str] | None) -> Section:
    """Time steps with and without hubel.watch, side by side."""
    torch.set_num_threads(threads)
    cases = [case for case in CASES if not only or case.architecture in only]
    costs = [_cost(case, seconds, block) for case in cases]
    middle, worst = median(one.median for one in costs), max(one.whole for one in costs)
    return Section(
        title="The doctor's overhead",
        what="The same network, data and optimizer two times in one process, once within "
        f"`hubel.watch`; {block} steps a turn, the first turn of both not counted among the "
        "blocks of the median. Share: processor time with the doctor to that without, less 1; the "
        "whole is over all steps, the doctor's first probe among them. What it does before the "
        f"first step and after the last one stands apart. Threads: {threads}.",
        header=("network", "batch", "step ms", "blocks", "median share", "whole", "apart, s"),
        rows=[
            (
                one.case.name,
                str(one.case.batch),
                f"{one.step_ms:.2f}",
                str(one.blocks),
                f"{one.median:+.2%}",
                f"{one.whole:+.2%}",
                f"{one.fixed_s:.2f}",
            )
            for one in costs
        ],
        verdict=f"Median: **{middle:+.2%}** (goal: at most {MEDIAN:.0%}); "
        f"worst network, whole: **{worst:+.2%}** (goal: at most {WORST:.0%}).",
    )


def _loader(case: Case) -> DataLoader[tuple[torch.Tensor, ...]]:
    if case.architecture == "lenet5":
        from sklearn.datasets import load_digits

        digits = load_digits()
        pictures = torch.tensor(digits.images[:, None] / 8 - 1, dtype=torch.float32)
        pictures = F.interpolate(pictures, (case.size, case.size))
        labels = torch.tensor(digits.target)
    else:
        generator = torch.Generator().manual_seed(0)
        shape = (16 * case.batch, case.channels, case.size, case.size)
        pictures = torch.randn(shape, generator=generator)
        labels = torch.randint(10, (len(pictures),), generator=generator)
    return DataLoader(TensorDataset(pictures, labels), case.batch, shuffle=True, drop_last=True)


def _steps(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[tuple[torch.Tensor, ...]],
) -> Iterator[None]:
    while True:
        for pictures, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(network(pictures), labels).backward()
            optimizer.step()
            yield


def _timed(work: Callable[[], object]) -> float:
    """Return the processor time of some work: others on the same machine do not count."""
    started = process_time()
    work()
    return process_time() - started


def _cost(case: Case, seconds: float, block: int) -> Cost:
    torch.manual_seed(0)
    loaded = load(case.architecture, outputs=10, channels=case.channels, size=case.size)
    plain = loaded.module.train()
    watched = copy.deepcopy(plain)
    ours = torch.optim.SGD(watched.parameters(), 0.01, momentum=0.9)
    loader, own = _loader(case), _loader(case)
    without = _steps(plain, torch.optim.SGD(plain.parameters(), 0.01, momentum=0.9), loader)
    within = _steps(watched, ours, own)

    def turn(steps: Iterator[None]) -> float:
        return _timed(lambda: [next(steps) for _ in range(block)])

    doctor = hubel.watch(watched, ours, own, say=None)
    extra = _timed(doctor.__enter__)
    pairs: list[tuple[float, float]] = []
    while sum(map(sum, pairs)) < seconds:
        began = perf_counter()
        first = turn(without)
        # The doctor shall not believe that it had the time of the other side, too.
        doctor._course.clock.started += perf_counter() - began  # noqa: SLF001
        pairs.append((first, turn(within)))
    extra += _timed(lambda: doctor.__exit__(None, None, None))
    alone, both = (sum(times) for times in zip(*pairs, strict=True))
    later = pairs[1:] or pairs
    return Cost(
        case=case,
        step_ms=1000 * median(one for one, _ in later) / block,
        blocks=len(later),
        median=median(other / one for one, other in later) - 1,
        whole=both / alone - 1,
        fixed_s=extra,
    )
