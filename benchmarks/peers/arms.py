"""What is measured: an arm is a tool with one set of settings, run as a process of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.recording import hubel_digest, processor

Variant = Literal["documented", "best", "hubel", "ceiling"]
Status = Literal["ended", "cut off", "failed"]

SCRIPTS: Final = Path(__file__).with_name("scripts")
REQUIREMENTS: Final = Path(__file__).with_name("requirements")
HUBEL: Final = "hubel"
TIME: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One tool with one set of settings.

    A script runs with the Python of the peer's environment (hubel's: the one that the benchmark
    runs in) and speaks JSON lines (`scripts/speaking.py`). Without a script the arguments are
    hubel's own command line, whose JSON document is the final answer.
    """

    name: str
    peer: str
    """hubel, or a file of `requirements/`."""
    variant: Variant
    arguments: tuple[str, ...] = ()
    """{seed} becomes the repeat's number, {scratch} an empty folder that is removed afterwards."""
    script: Path | None = None
    files: tuple[Path, ...] = ()
    """Files that the script imports, beside `scripts/speaking.py`."""
    repeats: int = 1
    limit_s: float | None = None
    """Seconds that count after which the arm is cut off; what it said until then is kept."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of the process."""
    note: str = ""
    """Settings in words, and where the documentation names them."""

    def digest(self) -> str:
        """Return what identifies the arm's settings, script, packages, and hubel's own source."""
        found = hashlib.sha256(json.dumps([self.arguments, self.limit_s, self.variables]).encode())
        if self.script is not None:
            for path in (self.script, SCRIPTS / "speaking.py", *self.files):
                found.update(path.read_bytes())
        if self.peer == HUBEL:
            found.update(hubel_digest().encode())
        else:
            found.update(requirements(self.peer).read_bytes())
        return found.hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One arm, run once."""

    benchmark: str
    arm: str
    peer: str
    variant: Variant
    repeat: int
    digest: str
    status: Status
    started: str
    """Date and time, UTC."""
    seconds: float
    """Wall clock of the whole process, seen from outside."""
    counted_s: float
    """The same without what the script declared as excluded."""
    peak_bytes: int
    """Greatest resident memory of any one process of the arm."""
    tree_bytes: int | None
    """Greatest sum over all its processes, shared pages shared out (Linux; sampled)."""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What the script said on its way, each with `seconds` that counted until then."""
    final: dict[str, Any] = field(default_factory=dict[str, Any])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    machine: dict[str, Any] = field(default_factory=dict[str, Any])
    said: str = ""
    """End of standard error, where the arm failed."""

    def key(self) -> tuple[str, str, int, str]:
        """Return what tells this measurement from every other."""
        return self.benchmark, self.arm, self.repeat, self.digest


def requirements(peer: str) -> Path:
    """Return the file of pinned packages of a peer."""
    return REQUIREMENTS / f"{peer}.txt"


def turns(arms: Sequence[Arm]) -> list[tuple[Arm, int]]:
    """Return each arm and repeat in the order of measuring: A, B, …, A, B, …."""
    most = max((arm.repeats for arm in arms), default=0)
    return [(arm, repeat) for repeat in range(most) for arm in arms if repeat < arm.repeats]


def read(path: Path) -> list[Measurement]:
    """Return the measurements of a file of JSON lines; a line that was cut short is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text("utf-8").splitlines():
        try:
            found.append(Measurement(**json.loads(line)))
        except (json.JSONDecodeError, TypeError):
            continue
    return found


def append(path: Path, measurement: Measurement) -> None:
    """Add one measurement to a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text("utf-8") if path.exists() else ""
    cut_short = "\n" if text and not text.endswith("\n") else ""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{cut_short}{json.dumps(asdict(measurement))}\n")


def known(measurements: Sequence[Measurement], benchmark: str, arms: Sequence[Arm]) -> Kept:
    """Return, by arm and repeat, the last measurement of each that need not be made again.

    One of another processor must be: figures are compared on one machine.
    """
    here = processor()
    keys = {
        (benchmark, arm.name, repeat, arm.digest()): (arm.name, repeat)
        for arm, repeat in turns(arms)
    }
    return {
        keys[one.key()]: one
        for one in measurements
        if one.key() in keys and one.status != "failed" and one.machine.get("processor") == here
    }


Kept = dict[tuple[str, int], Measurement]
