"""Pictures in `.npz` files: x_train/y_train/…, train_images/train_labels/…, x/y, images/labels."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hubel.data.array_source import ArraySource, numbered_keys
from hubel.data.claims import check_room
from hubel.data.naming import check_class_names, rows, some, sort_classes
from hubel.data.source import TEST, TRAIN, UNSPLIT, VAL, Index, Source
from hubel.errors import SourceError
from hubel.results import Task

_LAYOUTS: Final = (
    # (split, key part, pictures, labels)
    (TRAIN, "train", "x_train", "y_train"),
    (VAL, "val", "x_val", "y_val"),
    (TEST, "test", "x_test", "y_test"),
    (TRAIN, "train", "train_images", "train_labels"),
    (VAL, "val", "val_images", "val_labels"),
    (TEST, "test", "test_images", "test_labels"),
    (UNSPLIT, "all", "x", "y"),
    (UNSPLIT, "all", "images", "labels"),
)
_EXPECTED: Final = (
    "x_train, y_train, x_test, y_test[, x_val, y_val], the same as train_images, train_labels, …, "
    "or x, y, or images, labels (and classes, if they have names)"
)
_UNREADABLE: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, SyntaxError),
    *(NotImplementedError, RuntimeError, MemoryError, OverflowError, struct.error),
)
"""What damaged archives, and archives packed in other ways, make zipfile and NumPy raise."""
_LOCAL_HEADER: Final = struct.Struct("<26xHH")


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    split: int
    pictures: NDArray[Any]
    labels: NDArray[Any] | None


def open_arrays(path: Path, name: str) -> Source:
    """Return the pictures of an .npz file, memory-mapped where they are stored uncompressed.

    Pictures are (n, height, width[, 1, 3 or 4]) of uint8, uint16 or floats in 0 to 1. Labels are
    whole numbers or words (n,) or (n, 1) for classes, 0 and 1 (n, labels) for several labels (for
    classes where each row holds one 1), floats (n,) or (n, targets) for regression. The array
    `classes` may name them.

    Errors: SourceError for other names, shapes, types or ranges, pickled objects, damage.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {item.filename.removesuffix(".npy"): item for item in archive.infolist()}
            arrays = {key: _array(path, archive, item) for key, item in names.items()}
    except _UNREADABLE as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise SourceError(
                f"{name} holds pickled objects, which hubel does not load: they can run code. "
                "Save plain arrays of numbers or text."
            ) from None
        raise SourceError(f"{name} is damaged or no .npz file: {error}.") from None
    parts = _parts({key.lower(): array for key, array in arrays.items()}, name)
    for part in parts:
        _check_pictures(part, name)
    return _source(name, parts, arrays.get("classes"))


def _array(path: Path, archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> NDArray[Any]:
    """Return one array of the archive: mapped from the file if stored as it is, else read."""
    with archive.open(item) as member:
        version = npy.read_magic(member)
        header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        plain = item.compress_type == zipfile.ZIP_STORED and version in header
        if plain:
            shape, fortran, kind = header[version](member)
            start = member.tell()
            if not kind.hasobject and np.prod(shape, dtype=np.int64) > 0:
                with path.open("rb") as file:
                    file.seek(item.header_offset)
                    lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                offset = item.header_offset + _LOCAL_HEADER.size + sum(lengths) + start
                order = "F" if fortran else "C"
                return np.memmap(path, kind, "r", offset=offset, shape=shape, order=order)
        if version in header and not plain:
            shape, _, kind = header[version](member)
            claimed = math.prod(shape) * kind.itemsize
            if claimed > item.file_size and not kind.hasobject:
                raise ValueError(f"{item.filename} claims {claimed:,} bytes, and has fewer")
    check_room(item.file_size, f"{item.filename} in {path}")
    with archive.open(item) as member:
        return npy.read_array(member, allow_pickle=False)


def _parts(arrays: dict[str, NDArray[Any]], name: str) -> list[_Part]:
    """Find the known names among the arrays."""
    parts: list[_Part] = []
    for split, part, pictures, labels in _LAYOUTS:
        if pictures in arrays:
            parts.append(_Part(part, split, arrays[pictures], arrays.get(labels)))
        elif labels in arrays:
            raise SourceError(f"{name} holds {labels!r} but not {pictures!r}.")
    if not parts:
        raise SourceError(
            f"{name} holds the arrays {some(sorted(arrays), 10) or 'none'}: expected {_EXPECTED}."
        )
    if len({part.name for part in parts}) < len(parts) or (len(parts) > 1 and parts[-1].split < 0):
        raise SourceError(f"{name} holds pictures under two kinds of names: keep one.")
    bare = [part.name for part in parts if part.labels is None]
    if bare and len(bare) < len(parts):
        raise SourceError(f"The {bare[0]} pictures of {name} have no labels.")
    return parts


def _check_pictures(part: _Part, name: str) -> None:
    pictures = part.pictures
    what = f"The {part.name} pictures of {name}"
    if pictures.ndim not in (3, 4) or (pictures.ndim == 4 and pictures.shape[3] not in (1, 3, 4)):
        channels_first = pictures.ndim == 4 and pictures.shape[1] in (1, 3, 4)
        hint = " Channels come last: transpose them." if channels_first else ""
        raise SourceError(
            f"{what} have shape {pictures.shape}: expected (n, height, width) or "
            f"(n, height, width, 1, 3 or 4).{hint}"
        )
    if 0 in pictures.shape[1:]:
        raise SourceError(f"{what} have shape {pictures.shape}: a side is 0.")
    if pictures.dtype.kind == "f":
        low, high = _range(pictures)
        if not (low >= 0.0 and high <= 1.0):
            raise SourceError(
                f"{what} are floats from {low:g} to {high:g}: expected 0 to 1, or uint8 to 255."
            )
    elif pictures.dtype not in (np.dtype("uint8"), np.dtype("uint16")):
        raise SourceError(
            f"{what} are {pictures.dtype}: expected uint8, uint16 or floats in 0 to 1."
        )
    if part.labels is not None and len(part.labels) != len(pictures):
        raise SourceError(
            f"{what} are {len(pictures):,}, but they have {len(part.labels):,} labels."
        )


def _range(pictures: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest value, a part at a time; NaN where there is one."""
    step = max(1, (1 << 22) // max(1, int(np.prod(pictures.shape[1:]))))
    blocks = [pictures[start : start + step] for start in range(0, len(pictures), step)]
    lows = [float(np.min(block)) for block in blocks]
    highs = [float(np.max(block)) for block in blocks]
    return float(np.min(lows, initial=np.inf)), float(np.max(highs, initial=-np.inf))


def _source(name: str, parts: list[_Part], names: NDArray[Any] | None) -> Source:
    sizes = [(part.name, len(part.pictures)) for part in parts]
    labels = [np.asarray(part.labels) for part in parts if part.labels is not None]
    task, classes, values = _labels(labels, sum(size for _, size in sizes), name)
    if names is not None and task != "unlabelled":
        classes = _named(names, classes, task, name)
    check_class_names(classes, name)
    index = Index(
        task=task,
        classes=classes,
        keys=numbered_keys(sizes),
        labels=values,
        splits=np.concatenate([np.full(len(part.pictures), part.split, np.int8) for part in parts]),
    )
    return ArraySource(name, [part.pictures for part in parts], index)


def _labels(
    parts: list[NDArray[Any]], pictures: int, name: str
) -> tuple[Task, tuple[str, ...], NDArray[Any]]:
    """Tell the task from the labels' shape and type."""
    if not parts:
        return "unlabelled", (), np.full(pictures, -1, np.int64)
    if len({part.shape[1:] for part in parts}) > 1 or len({part.dtype.kind for part in parts}) > 1:
        raise SourceError(f"The labels of {name} differ in shape or type between its splits.")
    labels = np.concatenate(parts)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    kind = labels.dtype.kind
    if labels.ndim not in (1, 2) or kind not in "biufUS" or (kind in "US" and labels.ndim == 2):
        raise SourceError(
            f"The labels of {name} are {labels.dtype} of shape {labels.shape}: expected whole "
            "numbers or words (n,), 0 and 1 (n, labels), or floats (n[, targets])."
        )
    if labels.ndim == 2 and bool(np.isin(labels, (0, 1)).all()):
        return _indicators(labels)
    if kind == "f":
        wrong = np.flatnonzero(~np.isfinite(labels.reshape(len(labels), -1)).all(axis=1))
        if len(wrong):
            raise SourceError(f"The targets of {name} are not finite in {rows(wrong.tolist())}.")
        targets = labels.reshape(len(labels), -1).astype(np.float32)
        only = targets.shape[1] == 1
        return (
            "regression",
            ("target",) if only else tuple(str(n) for n in range(targets.shape[1])),
            targets,
        )
    if labels.ndim == 2:
        raise SourceError(f"The labels of {name} have {labels.shape[1]} columns: expected 0 and 1.")
    words = labels.astype(str) if kind != "S" else np.char.decode(labels, "utf-8")
    if len(empty := np.flatnonzero(words == "")):
        raise SourceError(f"The label is missing in {rows(empty.tolist())} of {name}.")
    classes = sort_classes(np.unique(words).tolist())
    place = {word: number for number, word in enumerate(classes)}
    return "classification", classes, np.array([place[word] for word in words.tolist()], np.int64)


def _indicators(labels: NDArray[Any]) -> tuple[Task, tuple[str, ...], NDArray[Any]]:
    """Read columns of 0 and 1: classes where every row holds one 1, else several labels."""
    classes = tuple(str(number) for number in range(labels.shape[1]))
    if bool((labels.sum(axis=1) == 1).all()):
        return "classification", classes, labels.argmax(axis=1).astype(np.int64)
    return "multilabel", classes, labels.astype(np.uint8)


def _named(names: NDArray[Any], classes: tuple[str, ...], task: Task, name: str) -> tuple[str, ...]:
    """Replace numbers of classes by the names that the file gives."""
    given = tuple(str(item) for item in names.reshape(-1).tolist())
    if task == "classification" and all(word.isdigit() for word in classes):
        highest = max(map(int, classes))
        if highest < len(given):
            return tuple(given[int(word)] for word in classes)
    elif len(given) == len(classes):
        return given
    raise SourceError(
        f"{name} names {len(given)} classes, but its labels are {some(classes)}: "
        "expected a name a class."
    )
