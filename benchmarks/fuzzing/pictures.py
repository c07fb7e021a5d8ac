"""Seeds and targets of the picture formats: small real files, decoded as hubel decodes them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

SIDE: Final = 12

_MODES: Final = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WebP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"),
    "GIF": ("L", "P"),
    "PNM": ("1", "L", "RGB"),
}
FORMATS: Final = tuple(_MODES)


def seeds(name: str) -> Iterator[bytes]:
    """Yield small files of a format: its modes and its ways of packing."""
    ways: list[dict[str, Any]] = [{}]
    if name == "JPEG":
        ways += [{"progressive": True}, {"exif": _exif()}, {"icc_profile": b"p" * 40}]
    if name == "TIFF":
        ways += [{"compression": way} for way in ("tiff_lzw", "tiff_deflate", "packbits")]
    if name == "PNG":
        ways += [{"exif": _exif()}, {"interlace": 1}]
    if name in ("PNG", "GIF", "WebP", "TIFF"):
        ways.append({"save_all": True, "append_images": [picture("RGB").rotate(90)]})
    if name == "WebP":
        ways.append({"lossless": True})
    for mode in _MODES[name]:
        for way in ways:
            try:
                yield encoded(picture(mode), name, **way)
            except (OSError, ValueError):
                continue  # This mode is not packed in this way.
    if name == "PNM":
        yield b"P3\n# text\n2 2\n255\n255 0 0 0 255 0 0 0 255 9 9 9\n"
        yield b"P2 3 1 9\n0 4 9\n"
        yield b"P1\n3 2\n1 0 1 0 1 0\n"


def picture(mode: str) -> Image.Image:
    """Return a small part of a real photograph in a mode."""
    from sklearn.datasets import load_sample_images

    photograph = Image.fromarray(load_sample_images().images[1]).resize((SIDE, SIDE))
    if mode == "I;16":
        return Image.fromarray(np.asarray(photograph.convert("L")).astype(np.uint16) * 257)
    if mode in ("LA", "RGBA"):
        photograph = photograph.convert(mode)
        photograph.putalpha(Image.linear_gradient("L").resize((SIDE, SIDE)))
        return photograph
    return photograph.convert(mode)


def encoded(image: Image.Image, name: str, **way: Any) -> bytes:
    """Return the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, {"PNM": "PPM"}.get(name, name), **way)
    return buffer.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def target(_: Path) -> Callable[[bytes], object]:
    """Return what reads a picture: its header, then its pixels."""
    from hubel.data.decoding import decode, probe

    def read(data: bytes) -> None:
        probe(data)
        decode(data, at_least=4)

    return read


TARGETS: Final = {name.lower(): (partial(seeds, name), target) for name in FORMATS}
