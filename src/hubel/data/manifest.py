"""`data.csv` of a run: which pictures it was trained on, and what has changed since."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hubel.data.dataset import Dataset
from hubel.data.labels import label_text
from hubel.data.naming import count, some
from hubel.data.source import SPLITS, UNSPLIT
from hubel.errors import RunError
from hubel.results.files import atomic

_HEADER: Final = ["key", "split", "label", "sha256"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture; an empty split means not used, an empty sha256 not decodable."""

    split: str
    label: str
    sha256: str


def write_manifest(path: Path, dataset: Dataset) -> None:
    """Write key, split, label and SHA-256 of the decoded pixels of every picture, atomically."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for key, entry in _entries(dataset).items():
            writer.writerow([key, entry.split, entry.label, entry.sha256])


def read_manifest(path: Path) -> dict[str, Entry]:
    """Read a manifest: an entry a key. Errors: RunError where it is missing or damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            records = list(csv.reader(file, strict=True))
    except OSError as error:
        raise RunError(f"Could not read {path}: {error.strerror or error}.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise RunError(f"{path} is damaged: {error}.") from None
    if not records or records[0] != _HEADER or any(len(record) != 4 for record in records):
        raise RunError(f"{path} is damaged: expected the columns {', '.join(_HEADER)}.")
    return {key: Entry(split, label, sha256) for key, split, label, sha256 in records[1:]}


def compare(manifest: dict[str, Entry], dataset: Dataset) -> list[str]:
    """Say in words what has changed since the manifest was written; nothing where nothing has."""
    now = _entries(dataset)
    both = [key for key in manifest if key in now]
    changes = (
        ("added", [key for key in now if key not in manifest]),
        ("removed", [key for key in manifest if key not in now]),
        ("changed", [key for key in both if manifest[key].sha256 != now[key].sha256]),
        ("relabelled", [key for key in both if manifest[key].label != now[key].label]),
        ("moved to another split", [key for key in both if manifest[key].split != now[key].split]),
    )
    told = [f"{count(len(keys), 'picture')} {what}: {some(keys)}" for what, keys in changes if keys]
    if not told and list(manifest) != list(now):
        told.append("the order of the pictures")
    return told


def _entries(dataset: Dataset) -> dict[str, Entry]:
    index = dataset.source.index
    digests = dataset.digests if len(dataset.digests) else None
    entries: dict[str, Entry] = {}
    for position, key in enumerate(index.keys):
        split = int(dataset.splits[position])
        digest = b"" if digests is None else digests[position].tobytes()
        entries[key] = Entry(
            "" if split == UNSPLIT else SPLITS[split],
            label_text(index, position),
            digest.hex() if any(digest) else "",
        )
    return entries
