"""What published weights are worth on few photographs: the Tux Paint stamps in 8 classes."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.recording import Section, interval
from benchmarks.running import run
from hubel.results import Run
from hubel.training.intervals import wilson

STAMPS = Path("/usr/share/tuxpaint/stamps")
CLASSES = {
    "birds": "animals/birds",
    "mammals": "animals/mammals",
    "fish": "animals/fish",
    "insects": "animals/insects",
    "fruit": "food/fruit",
    "vegetables": "food/vegetables",
    "flowers": "plants/flowers",
    "vehicles": "vehicles",
}
SKIPPED = ("cartoon", "mirror")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the stamps, seeds, passes and the network."""
    parser.add_argument("--stamps", type=Path, default=STAMPS, help=f"[default: {STAMPS}]")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N-1 [default: 3]")
    parser.add_argument("--epochs", type=int, default=30, help="passes [default: 30]")
    parser.add_argument("--model", default="efficientnet_lite0")


def link_photographs(stamps: Path, folder: Path) -> int:
    """Link the photographs of each class into a folder of its own; return their number."""
    number = 0
    for name, place in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for photo in sorted((stamps / place).rglob("*.png")):
            where = str(photo.relative_to(stamps))
            if not any(word in where for word in SKIPPED):
                link = where.replace("/", "-")
                (folder / name / link).symlink_to(photo)
                number += 1
    return number


def measure(stamps: Path, seeds: int, epochs: int, model: str) -> Section:
    """Train with published weights and from scratch on the same splits, by turns."""
    rows: list[tuple[str, ...]] = []
    right: dict[str, int] = {}
    seen: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "stamps"
        photographs = link_photographs(stamps, folder)
        for seed in range(seeds):
            for arm, more in (("published weights", ("--pretrained",)), ("from scratch", ())):
                out = str(Path(temporary) / f"{seed}-{len(more)}")
                named = ("--model", model, "--epochs", str(epochs), "--seed", str(seed))
                ended = run("train", str(folder), "--json", "--out", out, *named, *more)
                accuracy = ended.answer["test"]["accuracy"]
                evaluation = Run(Path(out)).evaluation()
                assert evaluation is not None
                pictures = evaluation.pictures
                right[arm] = right.get(arm, 0) + round(accuracy["value"] * pictures)
                seen[arm] = seen.get(arm, 0) + pictures
                seconds = f"{ended.seconds:.0f}"
                rows.append((arm, str(seed), interval(accuracy), str(pictures), seconds))
    verdicts = []
    for arm, hits in right.items():
        share = wilson(hits, seen[arm])
        verdicts.append(
            f"{arm}: **{share.value:.1%}** ({share.low:.1%} to {share.high:.1%}) of {seen[arm]} "
            f"test pictures in {seeds} splits"
        )
    return Section(
        title="Published weights on few photographs",
        what=f"`hubel train STAMPS --model {model} --epochs {epochs} [--pretrained]`, all else "
        f"default, on {photographs} photographs of Tux Paint in {len(CLASSES)} classes. The "
        "splits of different seeds overlap, so the intervals over all of them are too narrow.",
        header=("arm", "seed", "test accuracy (95% interval)", "test pictures", "whole command s"),
        rows=rows,
        verdict="; ".join(verdicts) + ".",
    )
