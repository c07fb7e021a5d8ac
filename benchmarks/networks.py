"""Whether every network of the table is built, exported and trained."""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model

from benchmarks.recording import Section
from benchmarks.running import hubel
from hubel.architectures import ARCHITECTURES
from hubel.nn.auxiliary import WithAuxiliary

GOAL = 0.2
SIDE = 64
TOLERANCE = 1e-4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add names, repeats, and where what was measured is kept."""
    parser.add_argument("--models", nargs="+", default=list(ARCHITECTURES), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=5, help="of building [default: 5]")
    parser.add_argument(
        "--kept",
        type=Path,
        default=Path("networks.json"),
        help="what is measured, network by network; those in it are not measured again "
        "[default: networks.json]",
    )
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="flags for train")


def measure(models: list[str], repeats: int, kept: Path, more: list[str]) -> Section:
    """Build each network without memory, export it, and train it on digits for a pass."""
    found: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for name in models:
        one = found.setdefault(name, {})
        for part, measured in (
            ("build_s", lambda name=name: {"build_s": build_seconds(name, repeats)}),
            ("works", lambda name=name: {"works": works(name)}),
            ("export", lambda name=name: {"export": export(name)}),
            ("accuracy", lambda name=name: train(name, more)),
        ):
            if part not in one:
                print(name, part, flush=True)
                one.update(measured())
                unfinished = kept.with_suffix(".part")
                unfinished.write_text(json.dumps(found, indent=1))
                unfinished.replace(kept)
    rows = [row(name, found[name]) for name in models]
    slow = [name for name in models if found[name]["build_s"] > GOAL]
    failed = [
        name
        for name, one in found.items()
        if one["works"] != "yes" or one["export"] != "equal" or not one["accuracy"]
    ]
    return Section(
        title="Networks",
        what=f"Building on the meta device at the design size (median of {repeats}). With real "
        f"weights, at {SIDE} pixels a side or the least size above: a training step on 2 pictures, "
        "batches of 1, 2 and 7, deepcopy, saving and loading. At the least size: `torch.export` in "
        "evaluation, its outputs compared. "
        f"`{' '.join(['hubel train digits --model NAME --epochs 1', *more])}`.",
        header=(
            "network",
            "parameters",
            "build s",
            "step, batches, copy, file",
            "export",
            "test accuracy",
            "whole command s",
        ),
        rows=rows,
        verdict=f"{len(models)} networks; built in more than {GOAL} s: "
        f"{', '.join(slow) or 'none'}; not working, exported or trained: "
        f"{', '.join(failed) or 'none'}.",
    )


def row(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    """Return a network's row of the table."""
    accuracy = f"{one['accuracy']['value']:.1%}" if one["accuracy"] else one["failure"]
    return (
        name,
        f"{ARCHITECTURES[name].params:,}",
        f"{one['build_s']:.3f}",
        one["works"],
        one["export"],
        accuracy,
        f"{one['train_s']:.0f}",
    )


def build_seconds(name: str, repeats: int) -> float:
    """Return the median time of building a network on the meta device."""
    entry = ARCHITECTURES[name]
    seconds: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        with torch.device("meta"):
            entry.build(
                outputs=entry.design_outputs,
                channels=entry.design_channels,
                size=entry.design_size,
            )
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def works(name: str) -> str:
    """Return "yes" where a network takes a step, batches, a copy and a file; else what not."""
    entry = ARCHITECTURES[name]
    torch.manual_seed(0)
    # On maps of 1x1, batch normalisation over two values makes gradients grow without bound.
    size = entry.design_size if entry.fixed_size else max(SIDE, entry.least_size)
    net = entry.build(outputs=10, channels=3, size=size)
    output = net(torch.randn(2, 3, size, size))
    heads = (output.logits, *output.auxiliary) if isinstance(output, WithAuxiliary) else (output,)
    sum(head.square().sum() for head in heads).backward()
    for path, weight in net.named_parameters():
        if weight.grad is None or not weight.grad.isfinite().all():
            return f"no finite gradient at {path}"
    net.eval()
    with torch.no_grad():
        for batch in (1, 2, 7):
            if net(torch.randn(batch, 3, size, size)).shape != (batch, 10):
                return f"wrong shape for a batch of {batch}"
        pictures = torch.randn(2, 3, size, size)
        wanted = net(pictures)
        if not torch.equal(copy.deepcopy(net)(pictures), wanted):
            return "its copy answers otherwise"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "weights.safetensors"
            save_model(net, str(file))
            fresh = entry.build(outputs=10, channels=3, size=size).eval()
            load_model(fresh, str(file))
        return "yes" if torch.equal(fresh(pictures), wanted) else "its file answers otherwise"


def export(name: str) -> str:
    """Return "equal" where the exported network answers as the network does, else what it says."""
    entry = ARCHITECTURES[name]
    torch.manual_seed(0)
    net = entry.build(outputs=10, channels=3, size=entry.least_size).eval()
    pictures = torch.randn(2, 3, entry.least_size, entry.least_size)
    try:
        program = torch.export.export(net, (pictures,), strict=False)
        with torch.no_grad():
            apart = (program.module()(pictures) - net(pictures)).abs().max().item()
    except Exception as error:  # noqa: BLE001 - a network that fails is a row of the table
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return "equal" if apart <= TOLERANCE else f"differs by {apart:.1e}"


def train(name: str, more: list[str]) -> dict[str, Any]:
    """Train a network on digits for a pass, in a process of its own; say how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "run")
        flags = ("--model", name, "--epochs", "1", "--out", out)
        started = time.perf_counter()
        ended = subprocess.run(
            hubel("train", "digits", "--json", *flags, *more),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - started
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"status {ended.returncode}"]
        return {"accuracy": None, "failure": said[-1], "train_s": seconds}
    return {"accuracy": json.loads(ended.stdout)["test"]["accuracy"], "train_s": seconds}
