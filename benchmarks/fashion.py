"""Whether a budget is kept, and what it buys, on Fashion-MNIST."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.recording import Section, interval
from benchmarks.running import run

GOAL, TOLERANCE = 0.92, 0.10
VARIABLE = "HUBEL_FASHION_MNIST"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the data is, and the budget."""
    parser.add_argument(
        "--path",
        type=Path,
        default=Path(os.environ.get(VARIABLE, "/usr/share/datasets/fashion-mnist")),
        help=f"folder of the four idx.gz files [default: ${VARIABLE}, or Debian's folder]",
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="budget [default: 5]")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N-1 [default: 1]")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="flags for train")


def measure(path: Path, minutes: float, seeds: int, more: list[str]) -> Section:
    """Train on Fashion-MNIST with a wall-clock budget."""
    if not path.is_dir():
        sys.exit(
            f"There is no folder {path}: apt-get install dataset-fashion-mnist makes it on Debian; "
            f"elsewhere, name the folder of the four idx.gz files with --path or ${VARIABLE}."
        )
    budget_s = minutes * 60
    rows, shares = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            out = str(Path(folder) / f"seed-{seed}")
            named = ("--budget", f"{budget_s:g}s", "--seed", str(seed), "--out", out)
            ended = run("train", str(path), "--json", *named, *more)
            shares.append(ended.seconds / budget_s - 1)
            rows.append(
                (
                    str(seed),
                    f"{ended.seconds:.1f}",
                    f"{shares[-1]:+.1%}",
                    str(ended.answer["epochs"]),
                    f"{ended.answer['params']:,}",
                    interval(ended.answer["test"]["accuracy"]),
                )
            )
    flags = " ".join([f"hubel train FOLDER --budget {budget_s:g}s --seed SEED", *more])
    worst = max(shares, key=abs)
    return Section(
        title="Fashion-MNIST within a budget",
        what=f"`{flags}`, all else default; wall clock of the whole command, "
        f"start, scan, evaluation and report included; n = {seeds}.",
        header=(
            "seed",
            "wall clock s",
            "against budget",
            "passes",
            "parameters",
            "test accuracy (95% interval)",
        ),
        rows=rows,
        verdict=f"Median wall clock {statistics.median(shares):+.1%} of the budget, farthest "
        f"{worst:+.1%} (goal: within {TOLERANCE:.0%}); goal for the accuracy: {GOAL:.0%}.",
    )
