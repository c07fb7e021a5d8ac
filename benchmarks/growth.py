"""Whether time per picture and memory stay as they are when the pictures become more."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Final

from benchmarks import photographs
from benchmarks.peers import Arm, Measurement, Work, add_work_arguments, measure_arms
from benchmarks.peers.arms import HUBEL, SCRIPTS
from benchmarks.peers.passes import busiest, later_speed, passes, peak_memory, with_later
from benchmarks.recording import Section

PASSES: Final = {1: 9, 4: 3, 16: 2}
"""Passes at each multiple: so many that the measured steps are about as many."""
FACTORS: Final = tuple(PASSES)
MODEL: Final = "torchvision:mobilenet_v2"
PROCESSES: Final = (1, 2)
GOAL: Final = 0.15
"""Greatest change of the time per picture from 1× to 16×."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many pictures 1× is, the network, and where the work is done."""
    add_work_arguments(parser)
    parser.add_argument("--pictures", type=int, default=500, help="pictures at 1× [default: 500]")
    parser.add_argument("--model", default=MODEL, help=f"network [default: {MODEL}]")
    parser.add_argument("--size", type=int, default=64, help="side of the input [default: 64]")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each arm [default: 1]")
    parser.add_argument("--cache", help="hubel's bound of decoded pictures [default: hubel's]")


def measure(
    work: Work,
    pictures: int,
    model: str,
    size: int,
    repeats: int,
    cache: str | None,
) -> Section:
    """Train on 1×, 4× and 16× as many JPEG files, in one process and in two."""
    made = photographs.make(work.data("photographs"), pictures * FACTORS[-1])
    flags = ["--model", model, "--size", str(size), "--batch", "64"]
    flags += ["--cache", cache] if cache else []
    arms = []
    for factor in FACTORS:
        number = pictures * factor
        folder = photographs.linked(made, work.data(f"growth-{number}"), all=number)
        for processes in PROCESSES:
            own = ["--epochs", str(PASSES[factor])]
            own += ["--processes", str(processes)] if processes > 1 else []
            arms.append(
                Arm(
                    name=_name(factor, processes),
                    peer=HUBEL,
                    variant="hubel",
                    script=SCRIPTS / "train_hubel.py",
                    arguments=("{scratch}", str(folder), *flags, *own),
                    repeats=repeats,
                )
            )
    found = measure_arms("growth", arms, work)
    command = " ".join(["hubel train FOLDER", *flags, "--epochs PASSES"])
    return _section(found, pictures, command, made.sentence())


def _name(factor: int, processes: int) -> str:
    return f"{factor}×, {processes} process{'es' if processes > 1 else ''}"


def _section(found: Sequence[Measurement], pictures: int, command: str, sentence: str) -> Section:
    by_arm = with_later(found)
    rows = [
        _row(factor * pictures, name, by_arm[name])
        for processes in PROCESSES
        for factor in FACTORS
        if (name := _name(factor, processes)) in by_arm
    ]
    verdicts = [verdict(processes, pictures, by_arm) for processes in PROCESSES]
    return Section(
        title="Growth",
        what=f"`{command}` (with `--processes 2` for two) on {sentence}; 70% of them are trained "
        f"on, in {', '.join(f'{number} passes at {one}×' for one, number in PASSES.items())}. "
        "Time of a training step's picture from the second pass on; time of the whole command, "
        "scan, validation, evaluation and report included, by pictures and passes; memory of all "
        "processes (sampled, shared pages counted once; at least that of one process). "
        f"{busiest(found)}",
        header=(
            "",
            "n",
            "pictures",
            "ms a picture, 2nd pass on",
            "waiting",
            "whole command, ms a picture and pass",
            "peak MB",
            "s",
        ),
        rows=rows,
        verdict=" ".join(verdicts)
        + f" Goal: time per picture within {GOAL:.0%} from 1× to {FACTORS[-1]}×; memory bounded: "
        "an index and the cache's bound, no pictures.",
    )


def _step_ms(measurement: Measurement) -> float:
    """Return the time of a picture in training, from the second pass on."""
    return 1e3 / later_speed(measurement)


def _row(number: int, name: str, runs: Sequence[Measurement]) -> tuple[str, ...]:
    waiting = [row["waiting_share"] for one in runs for row in passes(one)[1:]]
    seconds = median(one.seconds for one in runs)
    number_of_passes = len(passes(runs[0]))
    return (
        name,
        str(len(runs)),
        f"{number:,}",
        f"{median(_step_ms(one) for one in runs):.2f}",
        f"{median(waiting):.1%}",
        f"{seconds / number / number_of_passes * 1e3:.1f}",
        f"{median(peak_memory(one) for one in runs) / 1e6:.0f}",
        f"{seconds:.0f}",
    )


def verdict(processes: int, pictures: int, by_arm: dict[str, list[Measurement]]) -> str:
    """Return how time and memory changed from the fewest pictures to the most."""
    least, most = (by_arm.get(_name(factor, processes)) for factor in (FACTORS[0], FACTORS[-1]))
    if not least or not most:
        return f"{_name(FACTORS[-1], processes)}: not compared."
    change = median(map(_step_ms, most)) / median(map(_step_ms, least)) - 1
    grown = median(map(peak_memory, most)) - median(map(peak_memory, least))
    each = grown / (pictures * (FACTORS[-1] - FACTORS[0])) / 1e3
    return (
        f"With {processes} process{'es' if processes > 1 else ''}, from {FACTORS[0]}× to "
        f"{FACTORS[-1]}×: time per picture **{change:+.1%}**, memory {grown / 1e6:+.0f} MB "
        f"(**{each:+.2f} kB** a picture more)."
    )
