"""How accurate the networks are on the embedded digits, over several seeds."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.recording import Section, interval
from benchmarks.running import run

GOAL = 0.98


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add seeds and networks."""
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1 [default: 5]")
    parser.add_argument("--models", nargs="+", default=["hubelnet", "lenet5"])
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="flags for train")


def measure(seeds: int, models: list[str], more: list[str]) -> Section:
    """Train on digits with each seed and network, all else default."""
    rows, verdicts = [], []
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            values = []
            for seed in range(seeds):
                out = str(Path(folder) / f"{model}-{seed}")
                named = ("--model", model, "--seed", str(seed), "--out", out)
                ended = run("train", "digits", "--json", *named, *more)
                accuracy = ended.answer["test"]["accuracy"]
                values.append(accuracy["value"])
                rows.append(
                    (
                        model,
                        str(seed),
                        f"{ended.answer['params']:,}",
                        interval(accuracy),
                        f"{ended.answer['seconds']:.0f}",
                        f"{ended.seconds:.0f}",
                    )
                )
            spread = f", standard deviation {statistics.stdev(values):.2%}" if seeds > 1 else ""
            verdicts.append(
                f"{model}: mean test accuracy **{statistics.mean(values):.2%}**{spread}, "
                f"lowest {min(values):.2%} (n = {seeds} seeds; goal for seed 0: {GOAL:.0%})."
            )
    flags = " ".join(["hubel train digits --model MODEL --seed SEED", *more])
    return Section(
        title="Digits",
        what=f"`{flags}`, all else default. The test split holds 20% of 1,797 pictures.",
        header=(
            "model",
            "seed",
            "parameters",
            "test accuracy (95% interval)",
            "training s",
            "whole command s",
        ),
        rows=rows,
        verdict="\n\n".join(verdicts),
    )
