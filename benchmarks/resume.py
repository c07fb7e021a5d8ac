"""Interrupted = uninterrupted: the same bits, wherever a training is stopped or killed."""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.recording import Section
from benchmarks.running import hubel, run

SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "defaults, 2 threads, channels-last": ("--threads", "2", "--channels-last"),
    "momentum, EMA, dropout, mixup, sampling, accumulation, 1 thread": (
        *("--optimizer", "momentum", "--ema", "0.99", "--dropout", "0.2"),
        *("--augment", "safe", "--augment", "mixup", "--balance", "sampling"),
        *("--accumulate", "2", "--threads", "1", "--no-channels-last"),
    ),
    "adam, plateau, erasing, clipping, class weights, 1 thread, channels-last": (
        *("--optimizer", "adam", "--schedule", "plateau", "--clip", "1"),
        *("--augment", "safe", "--augment", "erasing", "--balance", "weights"),
        *("--threads", "1", "--channels-last"),
    ),
    "LeNet-5, nesterov, cyclic, cutmix, L1, 2 threads": (
        *("--model", "lenet5", "--optimizer", "nesterov", "--schedule", "cyclic", "--lr", "0.01"),
        *("--augment", "safe", "--augment", "cutmix", "--l1", "1e-5"),
        *("--threads", "2", "--no-channels-last"),
    ),
}
"""Arithmetic is set, since two runs that measure it may choose differently: the same bits are
promised for the same plan."""
SIGNALS: Final = (signal.SIGINT, signal.SIGKILL)
PHASES: Final = ("start", "training", "training", "writing", "end")
"""Where an interruption falls: before the first step, in the training, while a checkpoint is
written, or after the last step."""
FINISHING_S: Final = 1.0
"""Longest time after the weights are written, before a kill at the end."""
ONCE_MORE: Final = 0.4
"""Chance that a resumed run is interrupted again."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A run that was never interrupted."""

    flags: tuple[str, ...]
    digest: str
    seconds: float
    """Of its training alone."""
    start_s: float
    """From the first file in its folder to its first checkpoint."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many interruptions, and of what."""
    parser.add_argument("--times", type=int, default=20, help="interruptions [default: 20]")
    parser.add_argument("--epochs", type=int, default=12, help="passes of each run [default: 12]")
    parser.add_argument("--seed", type=int, default=0, help="of the interruptions [default: 0]")


def measure(times: int, epochs: int, seed: int) -> Section:
    """Stop or kill trainings at random times, resume them, and compare SHA-256."""
    chance = random.Random(seed)
    rows: list[tuple[str, ...]] = []
    references: dict[str, Reference] = {}
    interruptions = equal = 0
    with tempfile.TemporaryDirectory() as folder:
        while interruptions < times:
            name = list(SETTINGS)[len(rows) % len(SETTINGS)]
            if name not in references:
                references[name] = _reference(name, epochs, Path(folder))
            reference = references[name]
            out = Path(folder) / f"run-{len(rows)}"
            every = "0.01s" if len(rows) % 2 else "1s"
            marks = _interrupted(reference, every, out, chance, times - interruptions)
            if not marks:  # It ended before it was hit.
                shutil.rmtree(out)
                continue
            same = _digest(out) == reference.digest
            interruptions += len(marks)
            equal += same
            rows.append(
                (str(len(rows) + 1), name, ", ".join(marks), "equal" if same else "**different**")
            )
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    return Section(
        title="Interrupted = uninterrupted",
        what=f"`hubel train digits --epochs {epochs} --batch 64 --precision float32 "
        "--checkpoint-every 1s` (every other run: 0.01s) and the settings of the row, interrupted "
        "at random moments: before the first step, in the training, while a checkpoint is written, "
        "and between the last step and the report (Ctrl-C is SIGINT, a crash is SIGKILL), each "
        "time resumed with `hubel train --resume RUN`; then SHA-256 of `model.safetensors` against "
        "that of a run which was never interrupted.",
        header=("run", "settings", "interrupted (s after the phase began)", "model.safetensors"),
        rows=rows,
        verdict=f"{interruptions} interruptions in {len(rows)} runs: **{equal} of {len(rows)}** "
        "runs end with the same bits (goal: all).",
    )


def _flags(name: str, epochs: int) -> tuple[str, ...]:
    fixed = ("--batch", "64", "--precision", "float32")
    return ("--epochs", str(epochs), *fixed, *SETTINGS[name])


def _reference(name: str, epochs: int, folder: Path) -> Reference:
    flags = _flags(name, epochs)
    out = folder / hashlib.sha256(name.encode()).hexdigest()[:8]
    ended = run("train", "digits", "--json", *flags, "--out", str(out))
    began, planned = (_stamp(out / file) for file in ("options.toml", "plan.json"))
    start_s = (planned - began) / 1e9
    return Reference(flags, _digest(out), ended.answer["seconds"], start_s)


def _digest(run_folder: Path) -> str:
    return hashlib.sha256((run_folder / "model.safetensors").read_bytes()).hexdigest()


def _interrupted(
    reference: Reference, every: str, out: Path, chance: random.Random, most: int
) -> list[str]:
    """Train with at least one interruption to the end; return where they were."""
    marks: list[str] = []
    rest = ("--checkpoint-every", every, "--out", str(out))
    anew = hubel("train", "digits", *reference.flags, *rest)
    while not (out / "report.html").is_file():
        wanted = len(marks) < most and (not marks or chance.random() < ONCE_MORE)
        phase = chance.choice(PHASES) if wanted else ""
        longest = {"start": reference.start_s, "training": 0.9 * reference.seconds}
        delay = chance.uniform(0, longest.get(phase, FINISHING_S if phase == "end" else 0.0))
        what = chance.choice(SIGNALS) if phase == "training" else signal.SIGKILL
        command = hubel("train", "--resume", str(out)) if _has_begun(out) else anew
        if _run_and_interrupt(command, out, phase, delay, what):
            marks.append(f"{phase}: {what.name} {delay:.2f}")
    return marks


def _has_begun(out: Path) -> bool:
    return (out / "options.toml").is_file()


def _run_and_interrupt(
    command: list[str], out: Path, phase: str, delay: float, what: signal.Signals
) -> bool:
    """Run a training; send `what` after `delay` seconds of a phase; return whether it was hit."""
    before = {file: _stamp(out / file) for file in _MARKS.values()}
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if phase:
        while child.poll() is None and not _reached(out, phase, before):
            time.sleep(0.001 if phase == "writing" else 0.01)
        try:
            child.wait(delay)
        except subprocess.TimeoutExpired:
            child.send_signal(what)
    _, errors = child.communicate()
    stopped = child.returncode in {-signal.SIGKILL, -signal.SIGINT, 130}
    hit = stopped and not (out / "report.html").is_file()
    if child.returncode and not stopped:
        sys.exit(f"{' '.join(command)} ended with status {child.returncode}: {errors.decode()}")
    return hit


_MARKS: Final = {
    # A phase begins when a file is written. A resumed run writes no options.toml: its start is
    # that of the process.
    "start": "options.toml",
    "training": "checkpoint/last.safetensors",
    "end": "model.safetensors",
}


def _reached(out: Path, phase: str, before: dict[str, int]) -> bool:
    """Return whether a phase has begun since `before`."""
    if phase == "writing":
        return any((out / "checkpoint").glob(".last.safetensors.*.tmp"))
    file = _MARKS[phase]
    return (phase == "start" and before[file] > 0) or _stamp(out / file) != before[file]


def _stamp(path: Path) -> int:
    """Return when a file was written; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
