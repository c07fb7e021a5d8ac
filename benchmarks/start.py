"""How long a user waits for the first word, the first answer, and the first network."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Final

from benchmarks.peers import Arm, Measurement, Work, add_work_arguments, measure_arms
from benchmarks.peers.arms import HUBEL, SCRIPTS
from benchmarks.peers.passes import busiest, peer_versions
from benchmarks.recording import Section, hubel_digest
from benchmarks.running import run

GOAL: Final = 0.3
HELP: Final = "hubel --help"
TORCH: Final = 'python -c "import torch"'
IMPORTS: Final = {
    "fastai": "from fastai.vision.all import *",
    "ultralytics": "from ultralytics import YOLO",
    "keras": "import os; os.environ['KERAS_BACKEND'] = 'jax'; import keras",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how often to measure."""
    add_work_arguments(parser)
    parser.add_argument("--times", type=int, default=7, help="runs of each [default: 7]")
    parser.add_argument("--trainings", type=int, default=3, help="runs of training [default: 3]")


def measure(work: Work, times: int, trainings: int) -> Section:
    """Time hubel's help, a prediction, a training, and what it takes to import its peers."""
    trained, picture = _trained(work)
    own = ("-m", "hubel")
    # The first turn only warms the file cache.
    arms = [
        _arm(HELP, HUBEL, times + 1, *own, "--help"),
        _arm(TORCH, HUBEL, times + 1, "-c", "import torch"),
        _arm("hubel predict RUN PICTURE", HUBEL, times + 1, *own, "predict", trained, picture),
        *(
            _arm(f'python -c "{code.rpartition("; ")[2]}"', peer, times + 1, "-c", code)
            for peer, code in IMPORTS.items()
        ),
        _arm(
            "hubel train digits",
            HUBEL,
            trainings,
            *(*own, "train", "digits", "--out", "{scratch}/run"),
        ),
    ]
    return _section(measure_arms("start", arms, work))


def _arm(name: str, peer: str, repeats: int, *arguments: str) -> Arm:
    return Arm(
        name=name,
        peer=peer,
        variant="hubel" if peer == HUBEL else "documented",
        script=SCRIPTS / "whole_process.py",
        arguments=arguments,
        repeats=repeats,
    )


def _trained(place: Work) -> tuple[str, str]:
    """Return a trained run and a picture for it, made once for each state of hubel's source."""
    from PIL import Image
    from sklearn.datasets import load_digits

    folder = place.data(f"digits-{hubel_digest()}")
    folder.mkdir(parents=True, exist_ok=True)
    trained, picture = folder / "run", folder / "digit.png"
    if not (trained / "report.html").exists():
        run("train", "digits", "--epochs", "1", "--out", str(trained), "--json")
    Image.fromarray((load_digits().images[0] * 15).astype("uint8")).save(picture)
    return str(trained), str(picture)


def _section(found: Sequence[Measurement]) -> Section:
    seconds: dict[str, list[float]] = {}
    for one in found:
        if one.repeat or one.arm == "hubel train digits":
            seconds.setdefault(one.arm, []).append(one.final["took_s"])
    medians = {name: median(values) for name, values in seconds.items()}
    verdict = "Not compared."
    if HELP in medians and TORCH in medians:
        ratio = medians[HELP] / medians[TORCH]
        verdict = f"Help to importing torch, ratio of the medians: **{ratio:.3f}** (goal: {GOAL})."
    return Section(
        title="Start",
        what="Whole processes, one after the other by turns, after one turn that is not counted "
        "(of the training, all are). Each import runs in its peer's own environment. "
        f"{busiest(found)}",
        header=("command", "n", "median s", "fastest s", "slowest s"),
        rows=[
            (
                f"`{name}`",
                str(len(values)),
                f"{medians[name]:.3f}",
                f"{min(values):.3f}",
                f"{max(values):.3f}",
            )
            for name, values in seconds.items()
        ],
        verdict=verdict,
        versions=peer_versions(found),
    )
