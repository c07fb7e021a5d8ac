"""Tar shards in the WebDataset layout: pictures read in place, at any position.

A sample is what follows in a tar under one key, the name up to its first dot: `0017.jpg`,
`0017.cls`. hubel reads the headers of all shards once, keeps where each picture lies, and reads a
picture's bytes where they stand. So shards behave as files do (shuffled over all shards, split
among processes, resumed to the same bits), and only the index is in memory. A stream, as the
library webdataset reads shards, could promise none of the three. Source: aizman2019high.
"""

from __future__ import annotations

import tarfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, final

import msgspec
import numpy as np

from hubel.data.files import hidden
from hubel.data.naming import SPLIT_WORDS, is_picture, some
from hubel.data.source import Index, Raw, Source
from hubel.data.table import Table, index_of
from hubel.errors import PictureError, SourceError

CLASS_FILE: Final = "classes.txt"
"""Beside the shards: the name of class 0, 1, … in a line each."""
MAX_LABEL_BYTES: Final = 1_000_000
"""Largest .cls or .json that is read."""


@final
class ShardSource(Source):
    """Pictures in tar files; `index.keys` are SHARD/KEY.SUFFIX."""

    def __init__(self, name: str, index: Index, shards: list[Path], places: Places) -> None:
        self.name = name
        self.index = index
        self._shards = shards
        self._tars = np.array(places.tars, np.int32)
        self._starts = np.array(places.starts, np.int64)
        self._lengths = np.array(places.lengths, np.int64)

    def read(self, position: int) -> Raw:
        """Return the bytes of the picture at `position`; safe in threads."""
        shard = self._shards[int(self._tars[position])]
        length = int(self._lengths[position])
        key = self.index.keys[position]
        try:
            with shard.open("rb") as file:
                file.seek(int(self._starts[position]))
                data = file.read(length)
        except OSError as error:
            raise PictureError(key, f"{shard} cannot be read ({error.strerror})") from error
        if len(data) < length:
            raise PictureError(key, f"{shard} is shorter than it was")
        return data

    def location(self, position: int) -> str:
        """Return nothing: a picture in a tar has no file of its own."""
        del position
        return ""


@dataclass(slots=True)
class Places:
    """Where pictures lie: number of the tar, first byte, and length."""

    tars: array[int] = field(default_factory=lambda: array("i"))
    starts: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class _Sample:
    """The members of one key, as they are met."""

    key: str
    picture: tuple[str, int, int] | None = None
    """Suffix, first byte, length."""
    label: str | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def list_shards(folder: Path) -> list[Path]:
    """Return the tar files in a folder and in its sub-folders, sorted; hidden ones are left out."""
    folders = [folder, *(child for child in folder.iterdir() if child.is_dir())]
    found = [path for place in folders if not hidden(place.name) for path in place.glob("*.tar")]
    return sorted(path for path in found if path.is_file() and not hidden(path.name))


def open_shards(shards: list[Path], root: Path, name: str) -> Source:
    """Return the pictures of tar shards.

    A sample has one picture, and its label as `.cls` (a whole number or a name) or in `.json`
    (`label`, a name, a number or a list of them; or `target`, a number, or `target_NAME`; `split`
    and `group` beside it). Without `split`, the shard's name may say it: train-000.tar,
    val/000.tar. `classes.txt` beside the shards names the classes 0, 1, ….

    Errors: SourceError for damaged or compressed tars, samples without label among others with one,
    and two pictures with one key.
    """
    places = Places()
    keys: list[str] = []
    records: list[dict[str, str]] = []
    for number, shard in enumerate(shards):
        short = shard.relative_to(root).with_suffix("").as_posix()
        split = _split_of(short)
        for sample in _samples(shard):
            if sample.picture is None:
                continue
            suffix, start, length = sample.picture
            keys.append(f"{short}/{sample.key}.{suffix}")
            places.tars.append(number)
            places.starts.append(start)
            places.lengths.append(length)
            records.append(_record(sample, split, f"{short}/{sample.key}"))
    if not keys:
        raise SourceError(f"There are no pictures in the tar files of {name}.")
    index = _index(name, keys, records, _class_names(root, name))
    return ShardSource(name, index, shards, places)


def _samples(shard: Path) -> Iterator[_Sample]:
    """Yield the samples of a tar in order; only labels are read."""
    sample: _Sample | None = None
    try:
        with tarfile.open(shard, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # a list of every member would grow
                if not member.isreg():
                    continue
                key, suffix = _parts(member.name)
                if not suffix:
                    continue
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield sample
                    sample = _Sample(key)
                _take(sample, member, suffix, tar, shard)
    except tarfile.TarError as error:
        raise SourceError(
            f"{shard} cannot be read as a tar ({error}): shards must be plain tar files, not "
            "compressed and not cut off."
        ) from error
    if sample is not None:
        yield sample


def _parts(name: str) -> tuple[str, str]:
    """Return key and suffix of a member: all before and after the first dot of its last part."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return (path.with_name(stem).as_posix(), suffix.lower()) if stem else (name, "")


def _take(
    sample: _Sample, member: tarfile.TarInfo, suffix: str, tar: tarfile.TarFile, shard: Path
) -> None:
    """Note what a member says of its sample."""
    where = f"{shard.name}: {member.name}"
    if is_picture(f"x.{suffix}"):
        if sample.picture is not None:
            raise SourceError(f"{where} is the second picture of its sample; one is expected.")
        if member.offset_data + member.size > shard.stat().st_size:
            raise SourceError(f"{where} is cut off: the tar ends within it.")
        sample.picture = (suffix, member.offset_data, member.size)
    elif suffix in ("cls", "json"):
        if member.size > MAX_LABEL_BYTES:
            raise SourceError(
                f"{where} has {member.size:,} bytes; labels have at most {MAX_LABEL_BYTES:,}."
            )
        file = tar.extractfile(member)
        assert file is not None
        _read_label(sample, suffix, file.read(), where)


def _read_label(sample: _Sample, suffix: str, data: bytes, where: str) -> None:
    try:
        if suffix == "cls":
            sample.label = data.decode("utf-8").strip()
        else:
            sample.facts = msgspec.json.decode(data, type=dict[str, Any])
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise SourceError(f"{where} cannot be read: {error}.") from error


def _record(sample: _Sample, split: str, where: str) -> dict[str, str]:
    """Return the cells that a table would hold for this sample."""
    cells = {"split": split}
    if sample.label is not None:
        cells["label"] = sample.label
    for name, value in sample.facts.items():
        if name in ("label", "split", "group", "target") or name.startswith("target_"):
            cells[name] = _cell(value, name, where)
    return cells


def _cell(value: Any, name: str, where: str) -> str:
    if isinstance(value, list) and name == "label":
        return "".join(f"{item};" for item in value) or ";"
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise SourceError(f"{where}: {name} must be a word or a number, not {type(value).__name__}.")


def _split_of(short: str) -> str:
    """Return the split that a shard's path names: train-000, val/000, cells_test_3; else none."""
    words = short.lower().replace("/", "-").replace("_", "-").replace(".", "-").split("-")
    named = {SPLIT_WORDS[word]: word for word in words if word in SPLIT_WORDS}
    return next(iter(named.values())) if len(named) == 1 else ""


def _class_names(root: Path, name: str) -> list[str]:
    path = root / CLASS_FILE
    if not path.is_file():
        return []
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{CLASS_FILE} of {name} cannot be read: {error}.") from error


def _index(name: str, keys: list[str], records: list[dict[str, str]], names: list[str]) -> Index:
    """Return the index, through the columns that a table of the same pictures would have."""
    columns = {column: [""] * len(keys) for record in records for column in record}
    for place, record in enumerate(records):
        for column, cell in record.items():
            columns[column][place] = cell
    for column in (column for column in columns if column not in ("split", "group")):
        missing = [key for key, cell in zip(keys, columns[column], strict=True) if not cell]
        if missing:
            what = "label (.cls, or label in .json)" if column == "label" else f"{column} in .json"
            raise SourceError(
                f"{len(missing):,} of {len(keys):,} samples of {name} have no {what}: "
                f"{some(missing, 3)}."
            )
    if names and "label" in columns:
        columns["label"] = [_named(cell, names, name) for cell in columns["label"]]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SourceError(f"Two samples of {name} have the same key {twice!r}.")
    targets = {column: column.removeprefix("target_") for column in columns if "target" in column}
    if targets and "label" in columns:
        raise SourceError(f"The samples of {name} have a label and a target: keep one of the two.")
    return index_of(Table(name, columns, 1, frozenset(), len(keys)), keys, targets)


def _named(cell: str, names: list[str], source: str) -> str:
    if not cell.isascii() or not cell.isdigit():
        return cell
    number = int(cell)
    if number >= len(names):
        raise SourceError(
            f"A sample of {source} has class {number}, but {CLASS_FILE} names {len(names)} classes."
        )
    return names[number]
