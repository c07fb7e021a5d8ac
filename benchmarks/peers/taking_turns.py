"""All arms of a benchmark, by turns; what was measured already is not measured again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers.arms import (
    HUBEL,
    TIME,
    Arm,
    Measurement,
    append,
    known,
    read,
    turns,
)
from benchmarks.peers.environments import Work
from benchmarks.peers.running import run
from benchmarks.published import publish, published
from benchmarks.recording import hubel_digest, processor
from benchmarks.running import hubel


def measure_arms(benchmark: str, arms: Sequence[Arm], work: Work) -> list[Measurement]:
    """Measure each arm as often as it wants, A, B, …, A, B, …, and return all that is known.

    Each measurement is added to a file when it is made; what stands there with the same settings,
    script, packages and source of hubel, on this kind of processor, is taken from it, or from what
    was published. An arm that failed is named on standard error, kept in the file, and tried again
    by the next run.
    """
    path = work.measurements(benchmark)
    kept = known([*_published(benchmark), *read(path)], benchmark, arms)
    failed = []
    for arm, repeat in turns(arms):
        chosen = not work.only or any(part in arm.name for part in work.only)
        place = arm.name, repeat
        if not chosen or (place in kept and kept[place].started >= work.since):
            continue
        measured = _measure(benchmark, arm, repeat, work)
        append(path, measured)
        if measured.status == "failed":
            failed.append(measured)
            print(f"{arm.name} ({repeat}) failed:\n{measured.said}", file=sys.stderr, flush=True)
        else:
            kept[place] = measured
    if failed and not kept:
        sys.exit(f"No arm of {benchmark} ran to its end.")
    if work.publish:
        _publish(benchmark, kept.values())
    return [kept[arm.name, repeat] for arm, repeat in turns(arms) if (arm.name, repeat) in kept]


def _published(benchmark: str) -> list[Measurement]:
    return [Measurement(**line) for line in published(benchmark)]


def _publish(benchmark: str, measurements: Iterable[Measurement]) -> None:
    """Publish measurements beside those of other settings, sources of hubel and machines."""
    every = {
        (one.key(), one.machine["processor"]): one
        for one in (*_published(benchmark), *measurements)
    }
    publish(benchmark, map(asdict, every.values()))


def _measure(benchmark: str, arm: Arm, repeat: int, work: Work) -> Measurement:
    """Run one arm once."""
    python = work.python(arm.peer)
    load = os.getloadavg()[0]
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="hubel-benchmark-") as scratch:
        arguments = [filled(one, repeat, scratch) for one in arm.arguments]
        if arm.script is None:
            command = hubel(*arguments)
        else:
            command = [str(python), str(arm.script), *arguments]
        ended = run(
            command,
            lines=arm.script is not None,
            limit_s=arm.limit_s,
            variables={name: filled(value, repeat, scratch) for name, value in arm.variables},
            without=() if arm.peer == HUBEL else ("PYTHONPATH",),
        )
    return Measurement(
        benchmark=benchmark,
        arm=arm.name,
        peer=arm.peer,
        variant=arm.variant,
        repeat=repeat,
        digest=arm.digest(),
        status=ended.status,
        started=f"{started:{TIME}}",
        seconds=round(ended.seconds, 3),
        counted_s=round(ended.counted_s, 3),
        peak_bytes=ended.peak_bytes,
        tree_bytes=ended.tree_bytes,
        events=ended.heard.events,
        final=ended.heard.final,
        versions=ended.heard.versions,
        machine=_machine(load),
        said=ended.said,
    )


def filled(text: str, repeat: int, scratch: str) -> str:
    """Return an argument with its seed and its scratch folder."""
    return text.replace("{seed}", str(repeat)).replace("{scratch}", scratch)


def _machine(load: float) -> dict[str, Any]:
    """Return where an arm was measured, and how busy the machine was just before."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(load, 2),
        "commit": commit,
        "hubel": hubel_digest(),
    }
