"""Known runs: lines of JSON in the work folder, and the published ones beside this file."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.doctor.cases import Case
from benchmarks.doctor.executing import Arm

PUBLISHED: Final = Path(__file__).with_name("published.jsonl.xz")
"""What RESULTS.md was scored from, without the readings of each rule: a line a run."""


def hubel_digest() -> str:
    """Return a digest of all of hubel's source."""
    import hubel

    folder = Path(hubel.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def rivals_digest() -> str:
    """Return a digest of the rivals' rules and of what records for them."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "rivals").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Store:
    """One line a finished run: the last one of a key and arm counts, own before published."""

    def __init__(self, path: Path, published: Path = PUBLISHED) -> None:
        self.path = path
        self.lines: dict[tuple[str, str], dict[str, Any]] = {
            (line["key"], line["arm"]): line for line in (*_read(published), *_read(path))
        }
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

    def publish(self, keys: Iterable[str], path: Path = PUBLISHED) -> None:
        """Write what is known of these runs beside what was published of others."""
        known = {(line["key"], line["arm"]): line for line in _read(path)}
        wanted = frozenset(keys)
        known |= {of: _shortened(line) for of, line in self.lines.items() if of[0] in wanted}
        with lzma.open(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(known[of]) + "\n" for of in sorted(known))


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file, of none where it is not there."""
    if not path.is_file():
        return
    with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


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
