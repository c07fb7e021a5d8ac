"""The same network trained by hubel and its peers, from the same JPEG files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import photographs
from benchmarks.peers import Arm, Measurement, Work, add_work_arguments, measure_arms
from benchmarks.peers.arms import SCRIPTS, Variant
from benchmarks.peers.passes import (
    busiest,
    first_speed,
    later_speed,
    passes,
    peak_memory,
    peer_versions,
    with_later,
)
from benchmarks.peers.plots import bars
from benchmarks.recording import Section, Table

VALIDATED: Final = 60
HELPERS: Final = (SCRIPTS / "passes.py", SCRIPTS / "precision.py")
NETWORKS: Final = {"resnet18": "ResNet-18", "mobilenet_v2": "MobileNet v2"}
PEERS: Final = ("fastai", "ultralytics", "timm", "keras-tensorflow")
ONLY: Final = {"keras-tensorflow": ("mobilenet_v2",)}
"""Networks of peers that do not have both."""
SLOW: Final = ("keras-tensorflow",)
"""Peers that run once: JAX compiles the network for minutes, and trains it slowly."""
GOALS: Final = (
    "at least 2× the best peer as documented, 1× at its best settings, 90% of the ceiling"
)

PLAIN: Final = "--plain"

SAME_UPDATE: Final = ("--optimizer", "nesterov")
"""The ceiling's; hubel's own default for these networks is AdamW, which costs about as much."""

NOTES: Final = {
    "fastai": "quick start: Resize(128), no augmentation, workers as processors; best: "
    "resize_images to 192 pixels before, to_channelslast, persistent workers",
    "ultralytics": "defaults of model.train (RandAugment, erasing, weight average; it takes no "
    "workers on a processor); best: cache=True, deterministic=False, no plots; its own classifier "
    "behind torchvision's layers",
    "timm": "its training script's defaults (random resized crop, flip, colour jitter, 4 workers, "
    "SGD), resnet18 and mobilenetv2_100; best: --channels-last, 2 workers",
    "keras-tensorflow": "Keras 3 on JAX, image_dataset_from_directory, flip and rotation in the "
    "data, Adam; best: cache() before these; waiting cannot be told apart; runs once",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many pictures, passes and repeats, and where the work is done."""
    add_work_arguments(parser)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--pictures", type=int, default=512, help="a pass [default: 512]")
    parser.add_argument("--epochs", type=int, default=2, help="passes [default: 2]")
    parser.add_argument(
        "--repeats",
        type=int,
        default=2,
        help="runs of each arm; one less of the documented variants [default: 2]",
    )
    parser.add_argument("--size", type=int, default=128, help="side of the input [default: 128]")
    parser.add_argument("--batch", type=int, default=64, help="pictures a step [default: 64]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every arm does."""

    folder: Path
    """train/CLASS/… and val/CLASS/…."""
    size: int
    batch: int
    epochs: int
    steps: int
    repeats: int

    def flags(self) -> tuple[str, ...]:
        """Return what every script takes."""
        values = {"--size": self.size, "--batch": self.batch, "--epochs": self.epochs}
        return tuple(part for name, value in values.items() for part in (name, str(value)))


def measure(
    work: Work,
    networks: list[str],
    pictures: int,
    epochs: int,
    repeats: int,
    size: int,
    batch: int,
) -> Section:
    """Train ResNet-18 and MobileNet v2 from JPEG files with hubel, its peers, and no input."""
    made = photographs.make(work.data("photographs"), max(photographs.USUAL, pictures + VALIDATED))
    task = Task(
        folder=photographs.linked(
            made, work.data(f"train-{pictures}"), train=pictures, val=VALIDATED
        ),
        size=size,
        batch=batch,
        epochs=epochs,
        steps=pictures // batch,
        repeats=repeats,
    )
    arms = [arm for network in networks for arm in _arms(network, task)]
    found = measure_arms("same-network", arms, work)
    return _section(found, networks, task, made.sentence())


def _arms(network: str, task: Task) -> list[Arm]:
    """Return hubel, the ceiling, and each peer in both variants, for one network."""
    flags = task.flags()
    folder = str(task.folder)

    def arm(peer: str, variant: Variant, script: str, *arguments: str) -> Arm:
        shown = peer if variant == "hubel" else f"{peer} {variant}"
        if variant == "ceiling":
            shown = "plain ceiling" if PLAIN in arguments else "ceiling"
        return Arm(
            name=f"{network} {shown}",
            peer=peer,
            variant=variant,
            script=SCRIPTS / script,
            files=() if script == "train_hubel.py" else HELPERS,
            arguments=arguments,
            repeats=1 if peer in SLOW else max(1, task.repeats - (variant == "documented")),
            note=NOTES.get(peer, ""),
        )

    own = ("--model", f"torchvision:{network}", *flags, "--seed", "{seed}", *SAME_UPDATE)
    steps = ("--steps", str(task.steps))
    arms = [
        arm("hubel", "hubel", "train_hubel.py", "{scratch}", folder, *own),
        arm("hubel", "ceiling", "same_network_ceiling.py", network, *flags, *steps),
        arm("hubel", "ceiling", "same_network_ceiling.py", network, *flags, *steps, PLAIN),
    ]
    for peer in PEERS:
        if network not in ONLY.get(peer, (network,)):
            continue
        tool = peer.partition("-")[0]
        given = [folder, network, *flags]
        if tool in ("fastai", "ultralytics"):
            given += ["--scratch", "{scratch}"]
        script = f"same_network_{tool}.py"
        arms.append(arm(peer, "documented", script, *given))
        arms.append(arm(peer, "best", script, *given, "--best"))
    return arms


def _section(
    found: Sequence[Measurement], networks: list[str], task: Task, pictures: str
) -> Section:
    by_arm = with_later(found)
    verdicts = [verdict(network, by_arm) for network in networks]
    speeds = {name: [later_speed(one) for one in runs] for name, runs in by_arm.items()}
    peers = {name: runs[0].peer.partition("-")[0] for name, runs in by_arm.items()}
    return Section(
        title="Same network, from files",
        what=f"Networks of {task.size} pixels from scratch in batches of {task.batch}, "
        f"{task.steps} steps a pass, {task.epochs} passes, on {pictures}; validation is not "
        "counted, memory is that of all processes (shared pages counted once). The ceiling is the "
        "same step on batches in memory, computed as hubel chooses to compute it (plain: with "
        "PyTorch's own functions), SGD with Nesterov's momentum; hubel has "
        "`--optimizer nesterov` and else its defaults. Arms take turns; one whose program did not "
        "change is not run again, so that repeats can lie hours apart. "
        f"{busiest(found)}",
        header=(
            "arm",
            "n",
            "pictures/s, 2nd pass on",
            "1st pass",
            "waiting",
            "peak MB",
            "whole process s",
        ),
        rows=[_row(name, runs) for name, runs in by_arm.items()],
        verdict=" ".join(verdicts) + f" Goals: {GOALS}.",
        tables=[
            Table(
                title="What the arms do",
                header=("peer", "settings"),
                rows=[(peer, NOTES[peer]) for peer in PEERS],
            )
        ],
        pictures={"Pictures a second": bars("same-network", speeds, peers, "pictures/s")}
        if speeds
        else {},
        versions=peer_versions(found),
    )


def _row(name: str, runs: Sequence[Measurement]) -> tuple[str, ...]:
    speeds = [later_speed(one) for one in runs]
    first = median(first_speed(one) for one in runs)
    waiting = [row["waiting_share"] for one in runs for row in passes(one)[1:]]
    known = [share for share in waiting if share is not None]
    spread = f" ({min(speeds):.1f} to {max(speeds):.1f})" if len(speeds) > 1 else ""
    return (
        name,
        str(len(runs)),
        f"{median(speeds):.1f}{spread}",
        f"{first:.1f}",
        f"{median(known):.1%}" if known else "not told",
        f"{median(peak_memory(one) for one in runs) / 1e6:.0f}",
        f"{median(one.seconds for one in runs):.0f}",
    )


def verdict(network: str, by_arm: dict[str, list[Measurement]]) -> str:
    """Return how hubel stands to the ceiling and to the best peer of each kind."""
    own = by_arm.get(f"{network} hubel")
    if not own:
        return f"{NETWORKS[network]}: hubel was not measured."
    mine = median(later_speed(one) for one in own)
    parts = []
    ceiling = by_arm.get(f"{network} ceiling")
    if ceiling:
        parts.append(f"{mine / median(later_speed(one) for one in ceiling):.1%} of the ceiling")
    for variant in ("documented", "best"):
        speeds = {
            name: median(later_speed(one) for one in runs)
            for name, runs in by_arm.items()
            if name.startswith(f"{network} ") and runs[0].variant == variant
        }
        if speeds:
            best = max(speeds, key=speeds.__getitem__)
            parts.append(f"{mine / speeds[best]:.2f}× {best.removeprefix(f'{network} ')}")
    return f"{NETWORKS[network]}: hubel reaches **{', '.join(parts)}**."
