"""Where a run goes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hubel.errors import RunError, UsageError
from hubel.workflows.locking import LOCK

RUNS: Final = Path("runs")


def new_run_folder(out: Path | None, *words: str) -> Path:
    """Make and return the folder of a new run: `out`, or runs/WORDS-NUMBER with the next number.

    Errors: UsageError where `out` holds something already; RunError where it cannot be made.
    """
    try:
        if out is not None:
            if out.exists():
                require_empty(out)
            out.mkdir(parents=True, exist_ok=True)
            return out
        return _next_numbered("-".join(slug(word) for word in words))
    except OSError as error:
        where = out or RUNS
        raise RunError(
            f"Could not make the folder {where}: {error.strerror}; choose another with --out."
        ) from error


def require_empty(folder: Path) -> None:
    """Raise UsageError unless `folder` is one without files.

    Its lock is none, nor is what a killed process left half-written.
    """
    if not folder.is_dir() or not all(map(_is_rubbish, folder.iterdir())):
        raise UsageError(
            f"--out {folder} exists and is not an empty folder; choose another one, or go on "
            f"with the run in it: hubel train --resume {folder}"
        )


def _is_rubbish(path: Path) -> bool:
    return path.name == LOCK or (path.name.startswith(".") and path.suffix == ".tmp")


def _next_numbered(name: str) -> Path:
    RUNS.mkdir(exist_ok=True)
    number = 1
    while True:
        folder = RUNS / f"{name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        return folder


def slug(word: str) -> str:
    """Return a word that is safe in a file name: the last part of a path, without its suffix."""
    last = word.replace(":", "/").rstrip("/").rpartition("/")[2]
    stem = last.partition(".")[0] or last
    return re.sub(r"[^\w-]+", "-", stem).strip("-").lower() or "run"
