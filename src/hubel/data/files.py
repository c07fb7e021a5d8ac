"""Pictures that are files below a folder, and the walk that finds them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from hubel.data.decoding import decode
from hubel.data.naming import is_picture
from hubel.data.source import Index, Raw, Source
from hubel.errors import PictureError, SourceError
from hubel.results import Finding

_SYSTEM_FILES: Final = frozenset({"thumbs.db", "desktop.ini"})
_SYSTEM_FOLDERS: Final = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})


@final
class FileSource(Source):
    """Pictures in files: `index.keys` are paths below `root` (or absolute ones)."""

    def __init__(
        self,
        name: str,
        root: Path,
        index: Index,
        *,
        odd_names: dict[str, str] | None = None,
        findings: tuple[Finding, ...] = (),
    ) -> None:
        self.name = name
        self.root = root
        self.index = index
        self.findings = findings
        self._odd_names = odd_names or {}
        self._stamps = np.zeros((len(index), 2), np.int64)
        self._digests: NDArray[np.uint8] | None = None

    def read(self, position: int) -> Raw:
        """Return the path of the picture at `position`; it is opened only by the decoder."""
        key = self.index.keys[position]
        path = self.root / self._odd_names.get(key, key)
        self._watch(position, path)
        return path

    def remember(self, digests: NDArray[np.uint8]) -> None:
        """Know the pictures' pixels from now on: (n, 32), SHA-256 of each as `scanning` has it."""
        self._digests = digests

    def _watch(self, position: int, path: Path) -> None:
        """Raise PictureError where a file is another one than when it was first read.

        Size and time of change tell most, at the price of one call; where they differ, the pixels
        decide, since a file may be copied or touched without harm.
        """
        try:
            status = path.stat()
        except OSError:
            return  # The decoder says what is wrong.
        stamp = (status.st_mtime_ns, status.st_size)
        if (self._stamps[position] == stamp).all():
            return
        seen = bool(self._stamps[position].any())
        if seen and self._digests is not None and self._digests[position].any():
            from hubel.data.scanning import pixel_digest

            if pixel_digest(decode(path)) != self._digests[position].tobytes():
                raise PictureError(str(path), "it was replaced since it was first read")
        self._stamps[position] = stamp


@dataclass(frozen=True, slots=True)
class Listing:
    """The files below one folder."""

    pictures: list[str]
    """Paths relative to the folder, with `/`, sorted."""
    others: Counter[str] = field(default_factory=Counter[str])
    """How many files of each other suffix; files of the system and hidden ones are left out."""


def list_folder(folder: Path, *, recursive: bool = True) -> Listing:
    """Find the pictures below `folder`, following symbolic links, each folder once (no cycles).

    Errors: SourceError for a folder that cannot be read.
    """
    listing = Listing([])
    seen: set[tuple[int, int]] = {_identity(folder)}
    waiting = [("", str(folder))]
    while waiting:
        prefix, path = waiting.pop()
        for entry in _entries(path):
            if entry.is_dir():
                identity = _identity(entry.path)
                if recursive and not hidden(entry.name) and identity not in seen:
                    seen.add(identity)
                    waiting.append((f"{prefix}{entry.name}/", entry.path))
            elif not hidden(entry.name):
                _file(entry, prefix, listing)
    listing.pictures.sort()
    return listing


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders directly in `folder`, sorted by name."""
    entries = _entries(str(folder))
    names = sorted(entry.name for entry in entries if entry.is_dir() and not hidden(entry.name))
    return [folder / name for name in names]


def hidden(name: str) -> bool:
    """Return whether a file or folder of this name belongs to the system, not to the data."""
    return name.startswith(".") or name in _SYSTEM_FOLDERS or name.lower() in _SYSTEM_FILES


def _file(entry: os.DirEntry[str], prefix: str, listing: Listing) -> None:
    """Note one file; a link that leads nowhere counts, so that it is named as undecodable."""
    broken = entry.is_symlink() and not Path(entry.path).exists()
    if is_picture(entry.name) and (entry.is_file() or broken):
        listing.pictures.append(f"{prefix}{entry.name}")
    else:
        listing.others[Path(entry.name).suffix.lower() or "no suffix"] += 1


def _entries(path: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, in the order of names."""
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"Could not read the folder {path}: {error.strerror or error}.") from None


def _identity(path: Path | str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - a string, not a Path, in the walk of a large folder
    return status.st_dev, status.st_ino


def printable(name: str) -> str:
    """Return a file name that can stand in JSON: bytes that are no UTF-8 become backslash-xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
