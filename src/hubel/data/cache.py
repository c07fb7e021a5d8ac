"""A bounded file of decoded pictures, so that each is decoded once in a training."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import IO, Final, final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

STEP: Final = 1 << 26
"""Bytes by which the file grows; the disk sets them aside before anything is written there."""

_NOT_HERE: Final = -1


@final
class PictureCache:
    """Keeps what `Preprocessing.read` gave, by position in the source, up to `limit` bytes.

    The pixels lie one after the other in a file of `folder` that has no name from the start, or
    loses it at once where the system cannot do that: whatever ends the process, the space is free
    again. The file is made when the first picture is put in. Memory of the process: 21 bytes a
    picture of the source; the pixels are the operating system's to keep in memory or to drop.

    Positional reads and writes are used rather than a mapping: they were measured to be faster
    (page faults cost more than the copy), what was read does not count as memory of the process,
    and a broken disk is an error here where a mapping would end the process with SIGBUS.

    Safe in threads; reading takes no lock. What does not fit is not kept, and where the disk
    cannot take more, nothing more is kept: `problem` then says so in a sentence.
    """

    def __init__(self, folder: Path, limit: int, pictures: int) -> None:
        self.limit = limit
        self.problem = ""
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._writing = hasattr(os, "pwritev")
        if not self._writing:
            self.problem = "This system has no positional file access: each pass decodes anew."
        self._claimed = np.zeros(pictures, np.bool_)
        self._offsets = np.full(pictures, _NOT_HERE, np.int64)
        self._shapes = np.zeros((pictures, 3), np.int32)
        self._end = 0
        self._reserved = 0
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of the pictures that were put in."""
        return self._end

    @property
    def held_pictures(self) -> int:
        """Number of pictures that need not be decoded again."""
        return int(np.count_nonzero(self._offsets != _NOT_HERE))

    def get(self, position: int) -> Pixels | None:
        """Return a copy of the pixels (height, width, channels); None where they are not here."""
        offset = int(self._offsets[position])
        file = self._file
        if offset == _NOT_HERE or file is None:
            return None
        pixels = np.empty(self._shapes[position].tolist(), np.uint8)
        try:
            whole = os.preadv(file.fileno(), [pixels.data], offset) == pixels.nbytes
        except OSError as error:
            self._give_up(error)
            whole = False
        return pixels if whole else None

    def put(self, position: int, pixels: Pixels) -> bool:
        """Keep pixels; return whether they are kept now."""
        pixels = np.ascontiguousarray(pixels)
        try:
            claim = self._claim(position, pixels.nbytes)
            if claim is None:
                return bool(self._offsets[position] != _NOT_HERE)
            file, offset = claim
            if os.pwritev(file.fileno(), [pixels.data], offset) != pixels.nbytes:
                raise OSError(0, "not all of a picture could be written")
        except OSError as error:
            self._give_up(error)
            return False
        self._shapes[position] = pixels.shape
        # Last: readers take no lock, and look here first.
        self._offsets[position] = offset
        return True

    def close(self) -> None:
        """Forget all pictures and free the space; closing twice is fine."""
        with self._lock:
            self._writing = False
            self._offsets[:] = _NOT_HERE
            if self._file is not None:
                self._file.close()
                self._file = None

    def _claim(self, position: int, size: int) -> tuple[IO[bytes], int] | None:
        """Set room in the file aside for a picture; None where there is none, or it is here."""
        with self._lock:
            if not self._writing or self._claimed[position] or self._end + size > self.limit:
                return None
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            if self._end + size > self._reserved:
                self._reserve(self._file, self._end + size)
            self._claimed[position] = True
            offset, self._end = self._end, self._end + size
            return self._file, offset

    def _reserve(self, file: IO[bytes], least: int) -> None:
        """Have the disk set room aside, so that no write can fail or be lost for want of it."""
        wanted = min(max(least, self._reserved + STEP), self.limit)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), self._reserved, wanted - self._reserved)
        self._reserved = wanted

    def _give_up(self, error: OSError) -> None:
        """Keep nothing more; what is here can still be read."""
        with self._lock:
            self._writing = False
            self.problem = (
                f"The cache of decoded pictures took {self.held_pictures:,} and no more "
                f"({error.strerror or error}, in {self._folder}): the others are decoded in each "
                "pass. Training is the same, but slower."
            )
