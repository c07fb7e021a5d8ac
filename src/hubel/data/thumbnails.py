"""Small copies of pictures, to be put into a page."""

from __future__ import annotations

import base64
from typing import Final

import cv2

from hubel.data.decoding import decode
from hubel.data.source import Raw
from hubel.errors import PictureError

SIDE: Final = 96


def thumbnail(raw: Raw, side: int = SIDE) -> str:
    """Return the picture, shrunk to at most `side` pixels a side, as a PNG in base64.

    Smaller pictures are kept as they are. Empty where the picture cannot be decoded.
    """
    try:
        pixels = decode(raw, at_least=2 * side)
    except (PictureError, OSError):
        return ""
    height, width, channels = pixels.shape
    pixels = pixels[..., : 3 if channels >= 3 else 1]
    scale = side / max(height, width)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", pixels)
    assert done
    return base64.b64encode(data.tobytes()).decode("ascii")
