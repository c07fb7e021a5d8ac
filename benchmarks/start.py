"""How long a user waits for the first word."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from benchmarks.recording import Section
from benchmarks.running import hubel

GOAL = 0.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how often to measure."""
    parser.add_argument("--times", type=int, default=15, help="runs of each [default: 15]")


def measure(times: int) -> Section:
    """Time `hubel --help` against `python -c "import torch"`, taking turns."""
    commands = {
        "hubel --help": hubel("--help"),
        'python -c "import torch"': [sys.executable, "-c", "import torch"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(times + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # The first turn only warms the file cache.
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["hubel --help"] / medians['python -c "import torch"']
    return Section(
        title="Start",
        what=f"The two commands take turns; n = {times} each after one turn that is not counted.",
        header=("command", "median s", "fastest s", "slowest s"),
        rows=[
            (f"`{name}`", f"{medians[name]:.3f}", f"{min(values):.3f}", f"{max(values):.3f}")
            for name, values in seconds.items()
        ],
        verdict=f"Ratio of the medians: **{ratio:.3f}** (goal: at most {GOAL}).",
    )
