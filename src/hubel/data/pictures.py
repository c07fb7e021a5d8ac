"""The pictures that a user names: files, folders, patterns, or a list on standard input."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from hubel.data.files import list_folder
from hubel.errors import UsageError, did_you_mean


def find_pictures(patterns: Iterable[str], stdin: TextIO | None = None) -> list[Path]:
    """Return the named pictures in order, each once; no picture is opened.

    A pattern is a file (whatever its suffix), a folder (all pictures below it), a glob such as
    `photos/**/*.jpg`, or `-`: paths on `stdin`, one a line.

    Errors: UsageError for what does not exist, and for a folder or glob without pictures.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        names = _listed(stdin) if pattern == "-" else [pattern]
        for name in names:
            found.update(dict.fromkeys(_named(name)))
    if not found:
        raise UsageError("No pictures were named: give files, folders, patterns, or - for a list.")
    return list(found)


def _listed(stdin: TextIO | None) -> Iterator[str]:
    if stdin is None:
        raise UsageError("'-' stands for a list of paths on standard input, but there is none.")
    yield from (line.rstrip("\r\n") for line in stdin if line.strip())


def _named(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        pictures = [path / picture for picture in list_folder(path).pictures]
        if not pictures:
            raise UsageError(f"There are no pictures in the folder {name!r}.")
        return pictures
    if path.exists() or path.is_symlink():
        return [path]
    if glob.has_magic(name):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - ** as in a shell
        files = [Path(match) for match in matches if Path(match).is_file()]
        if not files:
            raise UsageError(f"No file matches the pattern {name!r}.")
        return files
    raise UsageError(f"There is no picture {name!r}{_offer(path)}")


def _offer(path: Path) -> str:
    """Return the names beside a missing file that are close to it."""
    if not path.parent.is_dir():
        return f": there is no folder {str(path.parent)!r}."
    siblings = (item.name for item in path.parent.iterdir())
    offer = did_you_mean(path.name, siblings)
    return f": {offer}" if offer else "."
