"""One pass over all pictures: what each is, whether it can be decoded, and its hashes.

Nothing of a picture is kept but some 160 bytes: two hashes, a signature and a few numbers.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hubel.data.decoding import decode, probe
from hubel.data.parallel import Turns, available_threads, map_ahead
from hubel.data.perception import HASHED_SIDE, SIGNATURE_SIDE, perceptual_hashes
from hubel.data.source import Source
from hubel.errors import PictureError

_CHUNK: Final = 64
"""Pictures a task of the thread pool: few enough for progress, enough to hash in one go."""

RECORD: Final = np.dtype(
    [
        ("decodable", np.bool_),
        ("digest", np.uint8, 32),
        ("phash", np.uint64),
        ("signature", np.uint8, (SIGNATURE_SIDE, SIGNATURE_SIDE)),
        ("width", np.uint32),
        ("height", np.uint32),
        ("stored_channels", np.uint8),
        ("bit_depth", np.uint8),
        ("grey", np.bool_),
        ("least", np.uint8),
        ("greatest", np.uint8),
        ("deviation", np.float32),
    ]
)
"""What is kept of a picture. `digest` is the SHA-256 of its decoded pixels and shape, `deviation`
the standard deviation of its grey values (0 to 127.5)."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What one pass found; row i is the picture at position i of the index."""

    records: NDArray[Any]
    """Of type RECORD; all zero where the picture cannot be decoded."""
    formats: NDArray[np.uint8]
    """Positions in `format_names`."""
    format_names: tuple[str, ...]
    reasons: dict[int, str]
    """Why a picture cannot be decoded, by position."""

    @property
    def usable(self) -> NDArray[np.int64]:
        """Positions of the pictures that can be decoded."""
        return np.flatnonzero(self.records["decodable"])


@dataclass(slots=True)
class _Chunk:
    records: NDArray[Any]
    formats: list[str]
    reasons: dict[int, str]


def scan(
    source: Source,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Decode every picture once, in threads, and return what is to be known of each.

    `progress` is called with (pictures done, pictures) in the calling thread.
    """
    total = len(source.index)
    records = np.zeros(total, RECORD)
    formats = np.zeros(total, np.uint8)
    names: dict[str, int] = {"": 0}
    reasons: dict[int, str] = {}
    for start, chunk in _chunks(source, threads or available_threads()):
        end = start + len(chunk.records)
        records[start:end] = chunk.records
        formats[start:end] = [names.setdefault(name, len(names)) for name in chunk.formats]
        reasons.update(chunk.reasons)
        if progress is not None:
            progress(end, total)
    return Scan(records, formats, tuple(names), reasons)


def _chunks(source: Source, threads: int) -> Iterator[tuple[int, _Chunk]]:
    """Yield the chunks with their first positions, in order."""
    starts, turns = range(0, len(source.index), _CHUNK), Turns()

    def scanned(start: int, stop: threading.Event) -> _Chunk:
        with turns.taken():
            began = time.perf_counter()
            chunk = _scan_chunk(source, start, stop)
            sides = chunk.records["width"].astype(np.int64), chunk.records["height"]
            turns.worked(len(sides[0]), int(sides[0] @ sides[1]), time.perf_counter() - began)
        return chunk

    chunks = map_ahead(
        scanned,
        starts,
        threads=threads,
        ahead=4 * threads,
    )
    with closing(chunks):
        yield from zip(starts, chunks, strict=True)


def _scan_chunk(source: Source, start: int, stop: threading.Event) -> _Chunk:
    positions = range(start, min(start + _CHUNK, len(source.index)))
    records = np.zeros(len(positions), RECORD)
    chunk = _Chunk(records, [""] * len(positions), {})
    small = np.zeros((len(positions), HASHED_SIDE, HASHED_SIDE), np.float32)
    for row, position in enumerate(positions):
        if stop.is_set():
            break
        try:
            records[row], small[row], chunk.formats[row] = _scan_one(source, position)
        except PictureError as error:
            chunk.reasons[position] = error.reason
        except OSError as error:
            chunk.reasons[position] = error.strerror or str(error)
    records["phash"] = np.where(records["decodable"], perceptual_hashes(small), np.uint64(0))
    return chunk


def _scan_one(source: Source, position: int) -> tuple[tuple[Any, ...], NDArray[np.uint8], str]:
    """Return the record of one picture but for its hash, its small grey copy, and its format."""
    raw = source.read(position)
    where = source.index.keys[position]
    header = probe(raw, where=where)
    pixels = decode(raw, where=where)
    grey, is_grey = to_grey(pixels)
    _, deviation = cv2.meanStdDev(grey)
    canonical = grey if is_grey else pixels
    small = cv2.resize(grey, (HASHED_SIDE, HASHED_SIDE), interpolation=cv2.INTER_AREA)
    least, greatest, *_ = cv2.minMaxLoc(pixels.reshape(len(pixels), -1))
    record = (
        True,
        np.frombuffer(_digest(canonical), np.uint8),
        0,
        cv2.resize(small, (SIGNATURE_SIDE, SIGNATURE_SIDE), interpolation=cv2.INTER_AREA),
        pixels.shape[1],
        pixels.shape[0],
        header.channels,
        header.bit_depth,
        is_grey,
        least,
        greatest,
        deviation[0, 0],
    )
    return record, np.asarray(small, np.uint8), header.format


def pixel_digest(pixels: NDArray[np.uint8]) -> bytes:
    """Return the SHA-256 of decoded pixels and their shape, as a scan records it."""
    grey, is_grey = to_grey(pixels)
    return _digest(grey if is_grey else pixels)


def _digest(pixels: NDArray[np.uint8]) -> bytes:
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def to_grey(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bool]:
    """Return (height, width) grey values, and whether the picture is grey in fact.

    RGB becomes round(0.299 R + 0.587 G + 0.114 B); any other number of channels its first three,
    or its first. A picture whose channels are equal is grey.
    """
    if pixels.shape[2] < 3:
        return np.ascontiguousarray(pixels[..., 0]), pixels.shape[2] == 1
    colour = np.ascontiguousarray(pixels[..., :3])
    if pixels.shape[2] == 3 and _channels_equal(colour):
        return np.ascontiguousarray(colour[..., 0]), True
    return np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8), False


def _channels_equal(colour: NDArray[np.uint8]) -> bool:
    """Return whether red, green and blue are the same; a strip tells it of most pictures."""
    strip = colour[len(colour) // 2]
    if (strip[:, 0] != strip[:, 1]).any() or (strip[:, 1] != strip[:, 2]).any():
        return False
    red, green, blue = cv2.split(colour)
    return np.array_equal(red, green) and np.array_equal(green, blue)
