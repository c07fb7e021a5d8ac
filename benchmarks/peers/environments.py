"""A virtual environment for each peer, made once from its pinned requirements."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.arms import HUBEL, TIME, requirements
from benchmarks.published import add_publish

VARIABLE: Final = "HUBEL_BENCHMARKS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The folder outside of the repository that holds environments, data and measurements."""

    folder: Path
    given: dict[str, Path] = field(default_factory=dict[str, Path])
    """Environments that exist already, by peer; their packages must be the pinned ones."""
    only: tuple[str, ...] = ()
    """Arms to measure: those whose names contain one of these; all where empty."""
    since: str = ""
    """Date and time; what was measured of the chosen arms before it is measured once more."""
    publish: bool = False
    """Whether what was measured is published."""

    def measurements(self, benchmark: str) -> Path:
        """Return the file of JSON lines of a benchmark."""
        return self.folder / "measurements" / f"{benchmark}.jsonl"

    def data(self, name: str) -> Path:
        """Return a folder for data that are made once."""
        return self.folder / "data" / name

    def python(self, peer: str) -> Path:
        """Return the Python of a peer, its environment made where there is none yet."""
        if peer == HUBEL:
            return Path(sys.executable)
        wanted = requirements(peer)
        digest = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
        folder = self.folder / "environments" / f"{peer}-{digest}"
        ready = folder.with_name(f"{folder.name}.ready")
        if peer in self.given:
            _use(self.given[peer], folder, ready, wanted)
        elif not ready.exists():
            _make(folder, ready, wanted)
        return folder / "bin" / "python"


def add_work_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the work is done, which `open_work` reads."""
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(os.environ.get(VARIABLE, Path.home() / ".cache" / "hubel-benchmarks")),
        help="folder of environments, data and measurements "
        f"[default: ${VARIABLE}, or ~/.cache/hubel-benchmarks]",
    )
    parser.add_argument(
        "--environment",
        action="append",
        default=[],
        metavar="PEER=FOLDER",
        help="use this virtual environment, whose packages are the pinned ones",
    )
    parser.add_argument(
        "--only", nargs="*", default=[], help="measure only arms whose names contain one of these"
    )
    parser.add_argument("--again", action="store_true", help="measure these arms once more")
    add_publish(parser)


def open_work(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a benchmark's arguments, those of `add_work_arguments` as one `Work`."""
    if "environment" not in arguments:
        return arguments
    given = {}
    for pair in arguments.pop("environment"):
        peer, _, path = pair.partition("=")
        given[peer] = Path(path).absolute()
    work = Work(
        folder=arguments.pop("work").absolute(),
        given=given,
        only=tuple(arguments.pop("only")),
        since=f"{datetime.now(UTC):{TIME}}" if arguments.pop("again") else "",
        publish=arguments.pop("publish"),
    )
    return {"work": work, **arguments}


def _make(folder: Path, ready: Path, wanted: Path) -> None:
    """Install the pinned packages into a new environment; one that was left half made goes."""
    print(f"Making {folder} from {wanted.name}", file=sys.stderr, flush=True)
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(wanted)], check=True)
    ready.write_text(json.dumps(installed(folder)), "utf-8")


def _use(given: Path, folder: Path, ready: Path, wanted: Path) -> None:
    """Link an environment that exists, after a look at its packages."""
    if folder.is_symlink() and folder.readlink() == given and ready.exists():
        return
    have = installed(given)
    wrong = {
        name: (version, have.get(name))
        for name, version in pins(wanted.read_text("utf-8")).items()
        if have.get(name) != version
    }
    if wrong:
        sys.exit(f"{given} has other packages than {wanted.name} (wanted, there): {wrong}")
    if folder.exists() and not folder.is_symlink():
        sys.exit(f"{folder} exists and is no link to {given}; remove one of them.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.unlink(missing_ok=True)
    folder.symlink_to(given)
    ready.write_text(json.dumps(have), "utf-8")


def pins(text: str) -> dict[str, str]:
    """Return the version of each package that a requirements file pins.

    Packages for other systems than Linux on x86-64 do not occur; those for it alone carry a
    marker after `;` and are wanted only there.
    """
    here = sys.platform == "linux" and os.uname().machine == "x86_64"
    found = {}
    for line in text.splitlines():
        pin, _, marker = line.partition(";")
        name, equals, version = pin.partition("==")
        if equals and (here or not marker):
            found[_normal(name)] = version.strip()
    return found


def installed(folder: Path) -> dict[str, str]:
    """Return the version of each package of an environment."""
    code = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    python = str(folder / "bin" / "python")
    ended = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return {_normal(name): version for name, version in json.loads(ended.stdout).items()}


def _normal(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
