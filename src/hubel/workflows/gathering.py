"""The pictures that a user hands to `predict`: files, folders, patterns, bytes, arrays, images."""

from __future__ import annotations

import io
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
    """Its path, or `[3]` for the fourth of those that have none."""
    raw: Raw


def gather(pictures: Picture | Iterable[Picture]) -> Iterator[Gathered]:
    """Return the pictures in order.

    Of a list or tuple (and of one alone) all names are looked up at once, so that a wrong one is
    said before any work; any other iterable is taken as it comes, and may be endless.
    Errors: UsageError for a path or pattern without pictures, and for what is no picture.
    """
    many: Any = [pictures] if _is_one(pictures) else pictures
    found = _gather(many)
    return iter(list(found)) if isinstance(many, Sequence | np.ndarray) else found


def _is_one(pictures: Any) -> bool:
    """Whether this is one picture; an array of four axes is many."""
    if isinstance(pictures, np.ndarray):
        return pictures.ndim < 4
    return isinstance(pictures, str | Path | bytes | Image.Image)


def _gather(pictures: Any) -> Iterator[Gathered]:
    """Yield the pictures one by one."""
    unnamed = 0
    for picture in pictures:
        if isinstance(picture, str | Path):
            for path in find_pictures([str(picture)]):
                yield Gathered(name=str(path), raw=path)
            continue
        yield Gathered(name=f"[{unnamed}]", raw=_raw(picture))
        unnamed += 1


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
