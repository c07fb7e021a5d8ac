"""One fuzzed format in a process of its own: `python -m benchmarks.fuzzing.child FORMAT …`.

The process has a limit on its memory and each input one on its time. An exception that is no
HubelError is a finding; it is noted, with the input, and fuzzing goes on. A hang or a crash ends
the process, and the parent notes it.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import atheris

from benchmarks.fuzzing.mutating import mutated_json

MEMORY_MIB: Final = {"pictures": 4096, "other": 1024}
"""Memory that inputs may take, beyond what the program takes without one."""
INSTRUMENTED: Final = ("hubel", "PIL", "tomllib", "tarfile", "zipfile", "safetensors")


def main() -> None:
    """Fuzz one format."""
    parser = argparse.ArgumentParser()
    parser.add_argument("format")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--inputs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from benchmarks.fuzzing import pictures, runs, tables

        targets: dict[str, Any] = {**pictures.TARGETS, **tables.TARGETS, **runs.TARGETS}
        seeds, prepare = targets[given.format]
        corpus, scratch = given.folder / "corpus", given.folder / "scratch"
        for folder in (corpus, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
        watched = Watched(prepare(scratch), given.folder, given.inputs)
    kind = "pictures" if given.format in pictures.TARGETS else "other"
    limit = _virtual_bytes() + (MEMORY_MIB[kind] << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    flags = [
        f"-runs={given.inputs}", f"-seed={given.seed}", f"-timeout={given.seconds}",
        "-rss_limit_mb=0", f"-artifact_prefix={given.folder}/", "-print_final_stats=1",
        f"-max_len={1 << 16}",
    ]  # fmt: skip
    mutators = {}
    if given.format.endswith(".json") or given.format == "checkpoint":
        mutators["custom_mutator"] = _mutate
    atheris.Setup([sys.argv[0], *flags, str(corpus)], watched, **mutators)
    atheris.Fuzz()


class Watched:
    """Calls a target, and notes what it raises, how long it takes and how much memory."""

    def __init__(self, target: Callable[[bytes], object], folder: Path, inputs: int) -> None:
        self.target = target
        self.folder = folder
        self.inputs = inputs
        self.done = 0
        self.slowest_s = 0.0
        self.findings: dict[str, str] = {}
        self.first_kib = _fresh_peak_kib()

    def __call__(self, data: bytes) -> None:
        """Give the target one input."""
        from hubel.errors import HubelError

        started = time.process_time()
        try:
            self.target(data)
        except HubelError:
            pass
        except Exception as error:  # noqa: BLE001 - every other exception is what is looked for
            self._note(error, data)
        self.slowest_s = max(self.slowest_s, time.process_time() - started)
        self.done += 1
        if self.done % 50 == 0 or self.done >= self.inputs:
            self._write()

    def _note(self, error: Exception, data: bytes) -> None:
        places = [
            f"{Path(frame.filename).name}:{frame.lineno}"
            for frame in traceback.extract_tb(error.__traceback__)
            if "/hubel/" in frame.filename or "/fuzzing/" in frame.filename
        ]
        where = f"{type(error).__name__} at {places[-1] if places else '?'}"
        if where in self.findings:
            return
        name = f"finding-{len(self.findings)}"
        (self.folder / name).write_bytes(data)
        self.findings[where] = f"{name}: {error}"[:300]
        print(f"FINDING {where}: {error!r}", file=sys.stderr, flush=True)
        traceback.print_exception(error, limit=-6)
        self._write()

    def _write(self) -> None:
        state = {
            "inputs": self.done,
            "slowest_s": self.slowest_s,
            "peak_mib": (_peak_kib() - self.first_kib) / 1024,
            "findings": self.findings,
        }
        (self.folder / "state.json").write_text(json.dumps(state))


def _mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change a JSON value, or now and then its bytes."""
    chance = random.Random(seed)
    changed = mutated_json(data, chance) if chance.random() < 0.9 else None
    if changed is None or len(changed) > most:
        return atheris.Mutate(data, most)
    return changed


def _fresh_peak_kib() -> int:
    """Let the peak of resident memory begin anew, and return where it stands."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_kib()


def _peak_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _virtual_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
