"""Known runs: lines of JSON in the work folder, and the published ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

from benchmarks.doctor.cases import Case
from benchmarks.doctor.executing import Arm
from benchmarks.published import publish, published
from benchmarks.recording import hubel_digest

_NAME: Final = "doctor"


def rivals_digest() -> str:
    """Return a digest of the rivals' rules and of what records for them."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "rivals").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Store:
    """One line a finished run: the last one of a key and arm counts, own before published."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = _by_run(published(_NAME))
        if path.is_file():
            self.lines |= _by_run(map(json.loads, path.read_text("utf-8").splitlines()))
        self._digests = {"doctor": hubel_digest(), "rivals": rivals_digest()}

    def digest(self, case: Case, arm: Arm) -> str:
        """Return the digest of everything that the run depends on."""
        return f"{case.digest()}-{self._digests[arm]}"

    def has(self, case: Case, arm: Arm) -> bool:
        """Return whether a run is known, and nothing that it depends on has changed since.

        One whose process ended before it did is not known.
        """
        line = self.lines.get((case.key, arm))
        if line is None or line["status"] == "crashed":
            return False
        return line["digest"] == self.digest(case, arm)

    def add(self, case: Case, arm: Arm, line: dict[str, Any]) -> None:
        """Keep a finished run."""
        line["digest"] = self.digest(case, arm)
        self.lines[case.key, arm] = line
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def publish(self, keys: Collection[str]) -> None:
        """Publish what is known of these runs, beside what was published of others."""
        chosen = {of: _shortened(line) for of, line in self.lines.items() if of[0] in keys}
        known = _by_run(published(_NAME)) | chosen
        publish(_NAME, (known[of] for of in sorted(known)))


def _by_run(lines: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(line["key"], line["arm"]): line for line in lines}


def _shortened(line: dict[str, Any]) -> dict[str, Any]:
    """Return what a run is scored by: the ids of its causes, and the rules that failed."""
    short = {name: value for name, value in line.items() if name != "epochs"}
    if line.get("diagnosis"):
        causes = [{"id": cause["id"]} for cause in line["diagnosis"]["causes"]]
        short["diagnosis"] = {"causes": causes}
    if "readings" in line:
        short["readings"] = {
            name: reading for name, reading in line["readings"].items() if "raised" in reading
        }
    return short
