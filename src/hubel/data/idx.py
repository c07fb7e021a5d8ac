"""The MNIST family's idx and idx.gz files: a folder with the four files, or one of pictures."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hubel.data.array_source import ArraySource, numbered_keys
from hubel.data.claims import check_room
from hubel.data.naming import some
from hubel.data.source import TEST, TRAIN, UNSPLIT, Index, Source
from hubel.errors import SourceError
from hubel.results import Task

_NAME: Final = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test)?(?P<gap>[-_.]?)(?P<what>images|labels)"
    r"[-_.]idx(?P<dimensions>\d)-(?P<type>ubyte|byte|short|int)(?P<packed>\.gz)?",
    re.IGNORECASE,
)
_TYPES: Final = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4"}
_UBYTE: Final = 8
_PIECE: Final = 1 << 22
"""Bytes that are unpacked at a time."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One pair of files: pictures, and their labels where there are any."""

    name: str
    split: int
    images: NDArray[Any]
    labels: NDArray[Any] | None


def is_idx(name: str) -> bool:
    """Return whether a file of this name is one of the MNIST family."""
    return _NAME.fullmatch(name) is not None


def holds_idx(folder: Path) -> bool:
    """Return whether files of the MNIST family lie directly in the folder."""
    return any(is_idx(item.name) for item in folder.iterdir())


def open_idx_folder(folder: Path, name: str) -> Source:
    """Return the pictures of `train-images-idx3-ubyte[.gz]` and `t10k-images-…` with labels.

    The train files are the user's train split, the t10k (or test) files its test split.

    Errors: SourceError for missing, damaged or several sets of files.
    """
    images = {
        item: match
        for item in sorted(folder.iterdir())
        if (match := _NAME.fullmatch(item.name)) and match["what"].lower() == "images"
    }
    sets = sorted({match["set"] for match in images.values()})
    if not images:
        raise SourceError(f"{name} holds idx files of labels, but none of pictures.")
    if len(sets) > 1:
        raise SourceError(
            f"{name} holds several sets of idx files ({some(sets)}): "
            "put one into a folder of its own, or name its file of pictures."
        )
    chosen: dict[str, Path] = {}
    for path, match in images.items():
        word = (match["part"] or "all").lower()
        part = {"train": "train", "t10k": "test", "test": "test"}.get(word, "all")
        if part not in chosen or not match["packed"]:  # the unpacked file can be memory-mapped
            chosen[part] = path
    splits = {"train": TRAIN, "test": TEST, "all": UNSPLIT}
    parts = [_part(path, part, splits[part]) for part, path in sorted(chosen.items(), reverse=True)]
    return _source(name, parts)


def open_idx_file(path: Path, name: str) -> Source:
    """Return the pictures of one idx file, unsplit, with the labels that lie beside it."""
    match = _NAME.fullmatch(path.name)
    if match is None or match["what"].lower() != "images":
        raise SourceError(f"{name} holds labels: name the file of pictures beside it.")
    return _source(name, [_part(path, "all", UNSPLIT)])


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array of an idx file (lecun1998gradient); memory-mapped unless it is packed.

    Format: two zero bytes, a type, the number of dimensions, each size as big-endian uint32,
    then the values in C order.

    Errors: SourceError for a file that is none, or that ends too early.
    """
    try:
        if path.suffix.lower() != ".gz":
            data: NDArray[np.uint8] = np.memmap(path, np.uint8, mode="r")
        else:
            data = np.frombuffer(_unpacked(path), np.uint8)
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise SourceError(f"{path} is damaged or incomplete: {error}.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from None
    head = bytes(data[:4])
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 0 < head[3] < 5:
        raise SourceError(
            f"{path} is no idx file: its first bytes are {head.hex(' ') or 'absent'}."
        )
    start = 4 + 4 * head[3]
    shape = tuple(int(size) for size in bytes_to_sizes(bytes(data[4:start])))
    kind = np.dtype(_TYPES[head[2]])
    wanted = math.prod(shape) * kind.itemsize
    if len(shape) < head[3] or len(data) - start != wanted:
        raise SourceError(
            f"{path} is damaged or incomplete: its header says {'×'.join(map(str, shape))} "
            f"values ({wanted:,} bytes), but {max(0, len(data) - start):,} bytes follow."
        )
    return data[start:].view(kind).reshape(shape)


def _unpacked(path: Path) -> bytes:
    """Return what a packed file holds, up to one byte more than its header says."""
    with gzip.open(path) as file:
        head = file.read(4)
        dimensions = min(head[3], 4) if len(head) == 4 else 0
        sizes = file.read(4 * dimensions)
        kind = _TYPES.get(head[2], ">u1") if len(head) == 4 else ">u1"
        claimed = math.prod(map(int, bytes_to_sizes(sizes))) * np.dtype(kind).itemsize
        check_room(claimed, str(path))
        # Piece by piece: one read would take the memory that is claimed, whatever is there.
        parts, left = [head, sizes], claimed + 1
        while left > 0 and (part := file.read(min(left, _PIECE))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def bytes_to_sizes(head: bytes) -> NDArray[np.uint32]:
    """Return the sizes that a header holds; a header cut short gives fewer."""
    return np.frombuffer(head[: len(head) // 4 * 4], ">u4")


def _part(path: Path, part: str, split: int) -> _Part:
    """Read one file of pictures and the labels beside it."""
    images = read_idx(path)
    if images.ndim not in (3, 4) or images.dtype.itemsize != 1:
        raise SourceError(
            f"{path} must hold pictures as unsigned bytes (n, height, width[, channels]), "
            f"not {images.dtype} of shape {images.shape}."
        )
    beside = _labels_beside(path)
    labels = None if beside is None else read_idx(beside)
    if labels is not None and labels.shape != (len(images),):
        raise SourceError(
            f"{beside} holds labels of shape {labels.shape} for {len(images):,} pictures: "
            "expected one a picture."
        )
    return _Part(part, split, images, labels)


def _labels_beside(path: Path) -> Path | None:
    """Return the file of labels that belongs to a file of pictures, packed or not."""
    mine = _NAME.fullmatch(path.name)
    for item in sorted(path.parent.iterdir()):
        other = _NAME.fullmatch(item.name)
        if mine and other and other["what"].lower() == "labels":
            same = all((mine[key] or "") == (other[key] or "") for key in ("set", "part"))
            if same and item.is_file():
                return item
    return None


def _source(name: str, parts: list[_Part]) -> Source:
    labelled = [part for part in parts if part.labels is not None]
    if labelled and len(labelled) < len(parts):
        bare = next(part.name for part in parts if part.labels is None)
        raise SourceError(f"The {bare} pictures of {name} have no file of labels beside them.")
    sizes = [(part.name, len(part.images)) for part in parts]
    task: Task = "classification" if labelled else "unlabelled"
    values, classes = np.full(sum(size for _, size in sizes), -1, np.int64), ()
    if labelled:
        stored = np.concatenate([part.labels for part in parts if part.labels is not None])
        numbers, values = np.unique(stored, return_inverse=True)
        classes = tuple(str(number) for number in numbers.tolist())
    splits = [np.full(len(part.images), part.split, np.int8) for part in parts]
    index = Index(
        task=task,
        classes=classes,
        keys=numbered_keys(sizes),
        labels=values.astype(np.int64),
        splits=np.concatenate(splits),
    )
    return ArraySource(name, [part.images for part in parts], index)
