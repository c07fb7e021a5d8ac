"""Running hubel as a user does: its command line, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    answer: Any
    """The JSON document on its standard output; None where there is none."""
    seconds: float
    peak_bytes: int
    """Greatest resident memory of its process."""


def hubel(*arguments: str) -> list[str]:
    """Return the command line of hubel in this environment."""
    script = Path(sys.executable).with_name("hubel")
    program = [str(script)] if script.is_file() else [sys.executable, "-m", "hubel"]
    return [*program, *arguments]


def run(*arguments: str) -> Ended:
    """Run hubel to its end and return its answer, time and memory; SystemExit where it fails."""
    command = hubel(*arguments)
    print("$", " ".join(command), file=sys.stderr, flush=True)
    started = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        assert child.stdout is not None
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            said = errors.read().decode()[-2000:]
            sys.exit(f"{' '.join(command)} ended with status {child.returncode}:\n{said}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Ended(
        answer=json.loads(output) if output.strip() else None,
        seconds=seconds,
        peak_bytes=usage.ru_maxrss * unit,
    )
