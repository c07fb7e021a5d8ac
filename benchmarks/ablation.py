"""What each ingredient of the default recipe buys: the recipe less or plus one, on three data."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from scipy import stats

from benchmarks.fashion import VARIABLE
from benchmarks.recording import Section
from benchmarks.running import run
from benchmarks.transfer import STAMPS, link_photographs
from hubel.results import Run

DEFAULT: Final = "default"
ARMS: Final[dict[str, tuple[str, ...]]] = {
    DEFAULT: (),
    "AdamW": ("--optimizer", "adamw"),
    "Nesterov": ("--optimizer", "nesterov"),
    "no label smoothing": ("--label-smoothing", "0"),
    "no warm-up": ("--warmup", "0"),
    "linear schedule": ("--schedule", "linear"),
    "one-cycle schedule": ("--schedule", "onecycle"),
    "no augmentation": ("--augment", "none"),
    "mirror": ("--augment", "safe", "--augment", "mirror"),
    "average of weights": ("--ema", "0.99"),
}
"""Flags beside the default recipe."""

DATA: Final = ("digits", "stamps", "fashion")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add data, arms, seeds, passes and the folder of what is done."""
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument(
        "--arms", nargs="+", metavar="ARM", default=list(ARMS), help=f"of {', '.join(ARMS)}"
    )
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to N-1 [default: 2]")
    parser.add_argument(
        "--fashion-epochs", type=int, default=4, help="passes over Fashion-MNIST [default: 4]"
    )
    parser.add_argument(
        "--path",
        type=Path,
        default=Path(os.environ.get(VARIABLE, "/usr/share/datasets/fashion-mnist")),
        help=f"folder of Fashion-MNIST [default: ${VARIABLE}, or Debian's folder]",
    )
    parser.add_argument("--stamps", type=Path, default=STAMPS, help=f"[default: {STAMPS}]")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("ablation"),
        help="folder of what is done, from which a second call goes on [default: ablation]",
    )


def measure(
    data: list[str],
    arms: list[str],
    seeds: int,
    fashion_epochs: int,
    path: Path,
    stamps: Path,
    work: Path,
) -> Section:
    """Train the default recipe, less or plus one ingredient, on digits, photographs and clothes."""
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        sys.exit(f"There is no arm {unknown[0]!r}; arms: {', '.join(ARMS)}.")
    work.mkdir(parents=True, exist_ok=True)
    done = _done(work / "results.jsonl")
    for seed in range(seeds):
        for name in data:
            for arm in arms:
                if (name, arm, seed, fashion_epochs * (name == "fashion")) not in done:
                    source, more = _source(name, path, stamps, work, fashion_epochs)
                    row = _trained(work, source, name, arm, seed, more)
                    row["epochs_asked"] = fashion_epochs * (name == "fashion")
                    with (work / "results.jsonl").open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                    done[_key(row)] = row
    rows = [done[key] for key in done if key[0] in data and key[1] in arms and key[2] < seeds]
    rows = [row for row in rows if row["epochs_asked"] in (0, fashion_epochs)]
    flags = "; ".join(f"{arm}: `{' '.join(ARMS[arm])}`" for arm in arms if ARMS[arm])
    return Section(
        title="What the default recipe is made of",
        what="`hubel train SOURCE --seed SEED` and the flags of the row, all else default; "
        f"Fashion-MNIST with `--epochs {fashion_epochs}`. The difference is the mean over seeds of "
        "arm less default on the same split, in points of test accuracy, with its 95% t-interval; "
        "the splits of digits and photographs overlap between seeds, so their intervals are too "
        "narrow. Pictures/s: median over passes, then seeds; other work may share the processors.",
        header=("data", "arm", "test accuracy", "difference", "seeds", "passes", "pictures/s"),
        rows=[
            _table_row(name, arm, rows)
            for name in data
            for arm in arms
            if any(row["data"] == name and row["arm"] == arm for row in rows)
        ],
        verdict=f"Flags: {flags}.",
    )


def _key(row: dict[str, Any]) -> tuple[str, str, int, int]:
    return row["data"], row["arm"], row["seed"], row["epochs_asked"]


def _done(file: Path) -> dict[tuple[str, str, int, int], dict[str, Any]]:
    """Return what a call before this one has finished."""
    if not file.is_file():
        return {}
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return {_key(row): row for row in rows}


def _source(
    name: str, path: Path, stamps: Path, work: Path, fashion_epochs: int
) -> tuple[str, tuple[str, ...]]:
    """Return the source called `name`, and its flags."""
    if name == "digits":
        return "digits", ()
    if name == "fashion":
        return str(path), ("--epochs", str(fashion_epochs))
    linked = work / "stamps"
    if not linked.is_dir():
        link_photographs(stamps, linked)
    return str(linked), ()


def _trained(
    work: Path, source: str, name: str, arm: str, seed: int, more: Sequence[str]
) -> dict[str, Any]:
    """Train one arm and return its row."""
    number = sum(1 for _ in work.glob("run-*"))
    out = work / f"run-{number}"
    flags = ("--seed", str(seed), "--out", str(out), *more, *ARMS[arm])
    ended = run("train", source, "--json", *flags)
    training = Run(out).training()
    assert training is not None
    return {
        "data": name,
        "arm": arm,
        "seed": seed,
        "accuracy": ended.answer["test"]["accuracy"]["value"],
        "validation": training.rows[-1].val_score,
        "passes": training.epochs,
        "pictures_per_s": statistics.median(row.pictures_per_s for row in training.rows),
        "training_s": training.seconds,
    }


def _table_row(name: str, arm: str, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    mine, base = (
        {row["seed"]: row for row in rows if (row["data"], row["arm"]) == (name, which)}
        for which in (arm, DEFAULT)
    )
    shared = sorted(mine.keys() & base.keys())
    differences = [100 * (mine[seed]["accuracy"] - base[seed]["accuracy"]) for seed in shared]
    return (
        name,
        arm,
        f"{statistics.mean(row['accuracy'] for row in mine.values()):.2%}",
        "" if arm == DEFAULT or not shared else _spread(differences),
        str(len(mine)),
        str(next(iter(mine.values()))["passes"]),
        f"{statistics.median(row['pictures_per_s'] for row in mine.values()):,.0f}",
    )


def _spread(differences: Sequence[float]) -> str:
    """Return a mean with its 95% t-interval, where there are several values."""
    mean = statistics.mean(differences)
    if len(differences) < 2:
        return f"{mean:+.2f}"
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    half = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    return f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f})"
