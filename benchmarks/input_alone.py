"""Reading, resizing and augmenting pictures without a network: hubel and its peers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import photographs as pictures
from benchmarks.peers import Arm, Measurement, Work, add_work_arguments, measure_arms
from benchmarks.peers.arms import SCRIPTS, Variant
from benchmarks.peers.passes import busiest, first_speed, later_speed, peer_versions, with_later
from benchmarks.peers.plots import bars
from benchmarks.recording import Section

PASSES: Final = 4
ENVIRONMENTS: Final = {
    "hubel": "hubel",
    "torchvision": "timm",
    "fastai": "fastai",
    "keras": "keras-tensorflow",
}
"""Where each tool is installed."""
GOAL: Final = 2.0
"""Times the pictures a second of the best peer, per processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of files."""

    name: str
    folder: Path
    number: int
    size: int
    sentence: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many pictures and repeats, and where the work is done."""
    add_work_arguments(parser)
    parser.add_argument("--photographs", type=int, default=768, help="a pass [default: 768]")
    parser.add_argument("--small", type=int, default=4096, help="28×28, a pass [default: 4096]")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each arm [default: 1]")
    parser.add_argument("--size", type=int, default=128, help="side of the input [default: 128]")
    parser.add_argument("--batch", type=int, default=64, help="pictures a batch [default: 64]")


def measure(
    work: Work,
    photographs: int,
    small: int,
    repeats: int,
    size: int,
    batch: int,
) -> Section:
    """Decode, resize and augment photographs and small pictures, on one processor and on two."""
    kinds = (
        _kind("photographs", work, photographs, size),
        _kind("small", work, small, pictures.SMALL[0]),
    )
    arms = [arm for kind in kinds for arm in _arms(kind, batch, repeats)]
    return _section(measure_arms("input", arms, work), kinds, batch)


def _kind(name: str, place: Work, number: int, size: int) -> Kind:
    """Make the files of one kind."""
    if name == "photographs":
        made = pictures.make(place.data(name), max(pictures.USUAL, number))
    else:
        made = pictures.make(place.data(name), number, pictures.SMALL)
    folder = pictures.linked(made, place.data(f"{name}-{number}"), all=number)
    return Kind(name=name, folder=folder, number=number, size=size, sentence=made.sentence())


def _arms(kind: Kind, batch: int, repeats: int) -> list[Arm]:
    """Return hubel and its peers, each on one processor and on two.

    DataLoaders work in the process itself on one processor; on two, with 2 workers, torchvision's
    also with 0 and 1. Small pictures are not resized beforehand, nor decoded to other objects.
    """
    found = []
    for processors in (1, 2):
        given = ("--size", str(kind.size), "--batch", str(batch), "--epochs", str(PASSES))
        given = (str(kind.folder), *given, "--processors", str(processors))

        def arm(tool: str, variant: Variant, *more: str, given: tuple[str, ...] = given) -> Arm:
            named = "" if variant == "hubel" else f" {variant}"
            workers = f", {more[1]} workers" if more else ""
            flags = ["--best"] if variant == "best" else []
            flags += ["--scratch", "{scratch}"] if tool == "fastai" else []
            return Arm(
                name=f"{kind.name} on {given[-1]}: {tool}{named}{workers}",
                peer=ENVIRONMENTS[tool],
                variant=variant,
                script=SCRIPTS / f"input_{tool}.py",
                files=(SCRIPTS / "passes.py",),
                arguments=(*given, *more, *flags),
                repeats=repeats,
            )

        workers = ("--workers", "0" if processors == 1 else "2")
        found.append(arm("hubel", "hubel"))
        if processors > 1:
            found += [arm("torchvision", "documented", "--workers", few) for few in ("0", "1")]
        for tool in ("torchvision", "fastai"):
            found.append(arm(tool, "documented", *workers))
            if kind.name == "photographs":
                found.append(arm(tool, "best", *workers))
        found += [arm("keras", "documented"), arm("keras", "best")]
    return found


def _tool(name: str) -> str:
    """Return the tool of an arm's name: torchvision runs in the environment of timm."""
    return name.partition(": ")[2].partition(" ")[0].rstrip(",")


def _section(found: Sequence[Measurement], kinds: Sequence[Kind], batch: int) -> Section:
    by_arm = with_later(found)
    speeds = {name: [later_speed(one) for one in runs] for name, runs in by_arm.items()}
    tools = {name: _tool(name) for name in by_arm}
    what = "; ".join(f"{kind.number:,} {kind.sentence}, to {kind.size} pixels" for kind in kinds)
    return Section(
        title="Input alone",
        what=f"Batches of {batch} augmented pictures, taken and dropped, {PASSES} passes: {what}. "
        "Each process may use one processor, or two. hubel: shift, zoom, rotation and light of "
        "the set safe, cache of decoded pictures; torchvision: RandomResizedCrop, flip, scaling "
        "(best: decode_image and tensors); fastai: Resize, aug_transforms (best: resize_images "
        "before); Keras on JAX: image_dataset_from_directory, flip, rotation (best: cache()). "
        "Arms take turns; files are in the system's memory. "
        f"{busiest(found)}",
        header=("arm", "n", "first pass, pictures/s", "later passes, pictures/s", "before, s"),
        rows=[_row(name, runs) for name, runs in by_arm.items()],
        verdict=" ".join(
            _verdict(kind, processors, by_arm) for kind in kinds for processors in (1, 2)
        )
        + f" Goal: {GOAL:g}× the best peer per processor.",
        pictures={"Pictures a second": bars("input", speeds, tools, "pictures/s, later passes")}
        if speeds
        else {},
        versions=peer_versions(found),
    )


def _row(name: str, runs: Sequence[Measurement]) -> tuple[str, ...]:
    speeds = [later_speed(one) for one in runs]
    spread = f" ({min(speeds):,.0f} to {max(speeds):,.0f})" if len(speeds) > 1 else ""
    prepared = [
        event["took_s"] for one in runs for event in one.events if event["event"] == "prepared"
    ]
    return (
        name,
        str(len(runs)),
        f"{median(first_speed(one) for one in runs):,.0f}",
        f"{median(speeds):,.0f}{spread}",
        f"{median(prepared):.1f}" if prepared else "",
    )


def _verdict(kind: Kind, processors: int, by_arm: dict[str, list[Measurement]]) -> str:
    """Return how hubel stands to the best peer, in the first pass and in later ones."""
    mine = f"{kind.name} on {processors}: hubel"
    others = [
        name
        for name in by_arm
        if name.startswith(f"{kind.name} on {processors}: ") and name != mine
    ]
    if mine not in by_arm or not others:
        return f"{kind.name} on {processors}: not compared."
    parts = []
    for label, speed in (("first pass", first_speed), ("later passes", later_speed)):
        speeds = {name: median(speed(one) for one in by_arm[name]) for name in others}
        best = max(speeds, key=speeds.__getitem__)
        own = median(speed(one) for one in by_arm[mine])
        parts.append(f"{label} **{own / speeds[best]:.2f}×** {best.partition(': ')[2]}")
    unit = "processor" if processors == 1 else "processors"
    return f"{kind.name.capitalize()} on {processors} {unit}: {'; '.join(parts)}."
