"""The pictures that a user hands to `predict`: files, folders, patterns, bytes, arrays, images."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hubel.data.pictures import find_pictures
from hubel.data.source import Raw
from hubel.errors import UsageError

Picture = str | Path | bytes | NDArray[Any] | Image.Image
"""What `predict` takes as one picture; a text or path may name many."""

_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_TIFF_MODES = ("CMYK", "YCbCr", "F", "I")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """One picture with the name that its answer carries."""

    name: str
    """Its path, or `[3]` for the fourth of what was handed over, if that has none."""
    raw: Raw


def gather(pictures: Picture | Iterable[Picture]) -> Iterator[Gathered]:
    """Return the pictures in order.

    Of a list or tuple (and of one alone) all names are looked up at once, so that a wrong one is
    said before any work, and if they are all names, each file is taken once. Any other iterable is
    taken as it comes, and may be endless. `-` is a list of paths on standard input.
    Errors: UsageError for a path or pattern without pictures, and for what is no picture.
    """
    many: Any = [pictures] if _is_one(pictures) else pictures
    if isinstance(many, Sequence | np.ndarray):
        return iter(_gather_all(list(many)))
    return _gather(many)


def _is_one(pictures: Any) -> bool:
    """Whether this is one picture; an array of four axes is many."""
    if isinstance(pictures, np.ndarray):
        return pictures.ndim < 4
    return isinstance(pictures, str | Path | bytes | Image.Image)


def _gather(pictures: Any) -> Iterator[Gathered]:
    """Yield the pictures one by one."""
    for place, picture in enumerate(pictures):
        if isinstance(picture, str | Path):
            yield from _found([picture])
        else:
            yield Gathered(name=f"[{place}]", raw=_raw(picture))


def _gather_all(pictures: Sequence[Any]) -> list[Gathered]:
    """Return the pictures; where all are names, each file once."""
    if pictures and all(isinstance(picture, str | Path) for picture in pictures):
        return _found(pictures)
    return list(_gather(pictures))


def _found(names: Sequence[str | Path]) -> list[Gathered]:
    """Return the files that names and patterns mean."""
    paths = find_pictures([str(name) for name in names], stdin=sys.stdin)
    return [Gathered(name=str(path), raw=path) for path in paths]


def _raw(picture: Any) -> Raw:
    """Return a picture that has no name as hubel's decoder takes it."""
    if isinstance(picture, bytes | np.ndarray):
        return picture
    if isinstance(picture, Image.Image):
        return encode(picture)
    raise UsageError(
        "predict takes paths, patterns, bytes, arrays (height, width[, channels]) and PIL images, "
        f"not {type(picture).__name__}."
    )


def encode(image: Image.Image) -> bytes:
    """Return a PIL image as the bytes of a file without loss, its EXIF orientation applied.

    So it is brought to 8-bit pixels by the same code as any file.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode not in _PNG_MODES + _TIFF_MODES:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    if image.mode in _PNG_MODES:
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "TIFF")
    return buffer.getvalue()
