"""Fuzzing: thousands of spoiled inputs for each format that hubel reads."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.recording import Section

FORMATS: Final = (
    *("jpeg", "png", "webp", "bmp", "tiff", "gif", "pnm"),
    *("csv", "parquet", "toml", "idx", "idx.gz", "npz", "tar"),
    *("model.json", "plan.json", "train.json", "evaluate.json", "data.json", "check.json"),
    *("calibration.json", "log.csv", "data.csv", "safetensors", "checkpoint"),
)
RESTARTS: Final = 20
"""Hangs and crashes after which a format is given up."""


@dataclass(slots=True)
class Fuzzed:
    """What one format has shown."""

    inputs: int = 0
    edges: tuple[int, int] = (0, 0)
    """Covered after the seeds, and at the end."""
    slowest_s: float = 0.0
    peak_mib: float = 0.0
    findings: dict[str, str] = field(default_factory=dict[str, str])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many inputs, and of which formats."""
    parser.add_argument("--inputs", type=int, default=10_000, help="a format [default: 10000]")
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=FORMATS, metavar="FORMAT")
    parser.add_argument(
        "--seconds", type=int, default=60, help="a single input may take [default: 60]"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the mutations [default: 1]")
    parser.add_argument("--keep", type=Path, default=None, help="folder for inputs that break it")


def measure(
    inputs: int, formats: tuple[str, ...], seconds: int, seed: int, keep: Path | None
) -> Section:
    """Give each reader thousands of inputs that coverage chooses, and note what goes wrong."""
    if find_spec("atheris") is None:
        sys.exit("Fuzzing needs the extra [fuzz]: pip install -e '.[fuzz]'")
    rows: list[tuple[str, ...]] = []
    total = 0
    for name in formats:
        found = _fuzz(name, inputs, seconds, seed, keep)
        total += len(found.findings)
        rows.append(
            (
                name,
                f"{found.inputs:,}",
                f"{found.edges[0]:,} → {found.edges[1]:,}",
                f"{found.slowest_s:.2f}",
                f"{found.peak_mib:,.0f}",
                "; ".join(found.findings) or "none",
            )
        )
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    return Section(
        title="Fuzzing",
        what=f"`python -m benchmarks fuzz --inputs {inputs}`: atheris (libFuzzer) changes small "
        "real files, guided by the coverage of hubel's and Pillow's Python code; JSON files are "
        "changed value by value and sealed with a digest again. Each format has a process with a "
        f"limit on its memory, each input {seconds} s. A finding is an exception that is no "
        "HubelError, a hang, a crash, or memory beyond the limit.",
        header=("format", "inputs", "edges (seeds → end)", "slowest (CPU s)", "memory (MiB)",
                "findings"),
        rows=rows,
        verdict=f"{len(rows)} formats: **{total}** findings (goal: none).",
    )  # fmt: skip


def _fuzz(name: str, inputs: int, seconds: int, seed: int, keep: Path | None) -> Fuzzed:
    """Fuzz one format, again after each hang or crash, until all inputs are done."""
    found = Fuzzed()
    for attempt in range(RESTARTS):
        with tempfile.TemporaryDirectory(prefix="hubel-fuzz-") as folder:
            left = inputs - found.inputs
            problem = _child(name, Path(folder), left, seconds, seed + attempt, found)
            if keep is not None:
                _keep(Path(folder), keep / name)
        if problem:
            found.findings[problem] = problem
        if found.inputs >= inputs:
            break
    return found


def _child(name: str, folder: Path, inputs: int, seconds: int, seed: int, found: Fuzzed) -> str:
    """Run a child, add what it found, and return how it ended if not well."""
    command = [sys.executable, "-m", "benchmarks.fuzzing.child", name, str(folder)]
    command += ["--inputs", str(inputs), "--seconds", str(seconds), "--seed", str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    log = folder / "log.txt"
    with log.open("wb") as file:
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment,
            check=False,
        ).returncode  # fmt: skip
    text = log.read_text("utf-8", "replace")
    state: dict[str, Any] = {}
    if (folder / "state.json").is_file():
        state = json.loads((folder / "state.json").read_text())
    if not state:
        sys.exit(f"The child for {name} did not begin:\n{text[-3000:]}")
    found.inputs += state["inputs"]
    found.slowest_s = max(found.slowest_s, state["slowest_s"])
    found.peak_mib = max(found.peak_mib, state["peak_mib"])
    found.findings |= state["findings"]
    edges = [int(number) for number in re.findall(r"cov: (\d+)", text)]
    if edges:
        found.edges = (found.edges[0] or edges[0], max(found.edges[1], edges[-1]))
    if status == 0:
        return ""
    print(text[-3000:], file=sys.stderr)
    if status == 70 or "ALARM: working on the last Unit" in text:
        return f"a hang of over {seconds} s"
    return f"a crash with status {status}"


def _keep(folder: Path, kept: Path) -> None:
    """Keep the inputs that broke something."""
    for path in folder.iterdir():
        if path.name.startswith(("finding-", "crash-", "timeout-", "oom-", "log.txt")):
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept / path.name)
