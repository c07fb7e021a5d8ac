"""From a file, bytes or an array to 8-bit pixels; the one place where hubel decodes pictures."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from hubel.data.pixels import from_array, from_open_range, from_sixteen_bits, orient
from hubel.data.source import Raw
from hubel.errors import PictureError, PictureMemoryError

MAX_PIXELS: Final = 178_956_970
"""Largest width × height that is decoded: twice 256 MiB of RGB, where Pillow too sees a bomb."""

LARGE_PIXELS: Final = 1 << 25
"""Pictures with more pixels are decoded one at a time, whatever the number of threads."""

FORMATS: Final = "JPEG, PNG, WebP, BMP, TIFF, GIF or PNM"

# The decoders are chosen here and not by `Image.open`: nothing else (EPS, PDF, fonts) is ever
# run on a stranger's file, and the bound on the size is ours, without Pillow's warning.
_DECODERS: Final[tuple[tuple[bytes, Callable[[BinaryIO], ImageFile]], ...]] = (
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"RIFF....WEBP", WebPImageFile),
    (rb"GIF8[79]a", GifImageFile),
    (rb"II[*+]\x00|MM\x00[*+]", TiffImageFile),
    (rb"BM", BmpImageFile),
    (rb"P[1-6]\s", PpmImageFile),
)
_SIGNATURES: Final = tuple((re.compile(sign, re.DOTALL), make) for sign, make in _DECODERS)
_ORIENTATION: Final = int(ExifTags.Base.Orientation)
_IMAGE_WIDTH, _IMAGE_LENGTH, _BITS_PER_SAMPLE = 256, 257, 258
_WITH_ALPHA: Final = ("LA", "La", "PA", "RGBA", "RGBa")
_WARNINGS_LOCK: Final = threading.Lock()
_LARGE_LOCK: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a picture's header says; width and height as seen, after the EXIF orientation."""

    width: int
    height: int
    channels: int
    """As stored: 1 grey, 2 grey and alpha, 3 colour or palette, 4 with alpha or CMYK; n arrays."""
    bit_depth: int
    """Bits a channel, as stored."""
    format: str
    """JPEG, PNG, WEBP, BMP, TIFF, GIF, PPM or array."""


def decode(raw: Raw, *, where: str = "", at_least: int | None = None) -> NDArray[np.uint8]:
    """Decode a picture to 8-bit pixels (height, width, channels).

    Grey (also a palette of greys) stays 1 channel; all other files become RGB: palettes are
    looked up, alpha (and transparent colours) is composited on white, c·α + 255·(1 - α), CMYK
    becomes (1-C)(1-K), … (JPEG: stored inverted, as Adobe does), the EXIF orientation is
    applied, and the first frame of an animation is taken. 16-bit grey becomes round(v / 257);
    16-bit colour keeps its high byte (within one level of that). 32-bit and floating-point TIFF:
    see `pixels.from_open_range`.

    Arrays (height, width[, channels]) may be bool, 8- or 16-bit, other integers in 0 to 255, or
    floats in 0 to 1. Four channels are RGBA and composited; any other number is kept. The result
    may share memory with the array: it must not be written to.

    `at_least` allows JPEG files to be decoded at 1/2, 1/4 or 1/8 of their size (in the DCT), as
    long as the shorter side keeps so many pixels. `where` names the picture in errors. Safe in
    threads.

    Errors: PictureError for what is missing, unreadable, truncated, no picture, or larger than
    MAX_PIXELS (seen in the header, before anything is decoded).
    """
    where = picture_name(raw, where)
    if isinstance(raw, np.ndarray):
        return from_array(raw, where)
    with _opened(raw, where) as image:
        if at_least is not None and isinstance(image, JpegImageFile):
            image.draft(None, (at_least, at_least))
        raw_mode = _raw_mode(image)
        with _alone(image), _bomb_warning_silenced(image):
            image.load()
            # After loading: PNG may carry its EXIF behind the pixels, and Pillow turns TIFF itself.
            return orient(_eight_bits(image, raw_mode, where), _orientation(image))


def probe(raw: Raw, *, where: str = "") -> Probe:
    """Read a picture's header: size, channels, bit depth, format. No pixels are decoded.

    Errors: PictureError as in `decode`, but damage behind the header is not seen.
    """
    where = picture_name(raw, where)
    if isinstance(raw, np.ndarray):
        pixels = from_array(raw[:1, :1] if raw.ndim > 1 else raw, where)
        stored = raw.shape[2] if raw.ndim == 3 else pixels.shape[2]
        depth = 1 if raw.dtype == np.bool_ else 8 * raw.dtype.itemsize
        width, height = raw.shape[1], raw.shape[0]
        return Probe(width=width, height=height, channels=stored, bit_depth=depth, format="array")
    with _opened(raw, where) as image:
        width, height = image.size
        if _orientation(image) in (5, 6, 7, 8) and not _turned(image):
            width, height = height, width
        return Probe(
            width=width,
            height=height,
            channels=_stored_channels(image),
            bit_depth=_bit_depth(image),
            format=image.format or "",
        )


def picture_name(raw: Raw, where: str = "") -> str:
    """Return how errors name a picture: as the caller says, or by its path."""
    if where:
        return where
    return str(raw) if isinstance(raw, Path) else "the picture"


@contextmanager
def _opened(raw: Path | bytes, where: str) -> Generator[ImageFile, None, None]:
    """Open a picture's header; whatever goes wrong inside becomes a PictureError."""
    try:
        with io.BytesIO(raw) if isinstance(raw, bytes) else raw.open("rb") as file:
            yield _header(file, where)
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(where, "there is no such file") from None
    except IsADirectoryError:
        raise PictureError(where, "this is a folder, not a picture") from None
    except PermissionError:
        raise PictureError(where, "permission to read it is denied") from None
    except MemoryError:
        raise PictureMemoryError(where, "there is not enough memory to decode it") from None
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        raise PictureError(where, _reason(error)) from error


def _header(file: BinaryIO, where: str) -> ImageFile:
    signature = file.read(16)
    if not signature:
        raise PictureError(where, "the file is empty (0 bytes)")
    decoder = next((make for sign, make in _SIGNATURES if sign.match(signature)), None)
    if decoder is None:
        raise PictureError(where, f"this is not a picture in {FORMATS} format")
    file.seek(0)
    image = decoder(file)
    width, height = image.size
    if width * height > MAX_PIXELS:
        size = f"{width}×{height} = {width * height / 1e6:,.0f} million pixels"
        raise PictureError(where, f"{size}, but at most {MAX_PIXELS / 1e6:.0f} million are decoded")
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than the {MAX_PIXELS / 1e6:.0f} million that are decoded"
    if "unknown pixel mode" in str(error):
        return "its arrangement of channels and bits is not one that is decoded; save it as PNG"
    if isinstance(error, UnidentifiedImageError | SyntaxError):
        return f"its header is damaged ({error})"
    if "truncated" in str(error).lower():
        return f"the file is truncated ({error})"
    return f"it is damaged ({type(error).__name__}: {error})"


def _alone(image: ImageFile) -> AbstractContextManager[object]:
    """Let one large picture be decoded at a time, so that threads do not multiply its memory."""
    return _LARGE_LOCK if image.width * image.height > LARGE_PIXELS else nullcontext()


@contextmanager
def _bomb_warning_silenced(image: ImageFile) -> Generator[None, None, None]:
    """Keep Pillow from warning of a size that hubel allows; only huge TIFFs come this way.

    Filters of warnings belong to the process, so they are touched as seldom as can be.
    """
    limit = Image.MAX_IMAGE_PIXELS
    quiet = limit is not None and image.width * image.height > limit
    with _WARNINGS_LOCK if quiet else nullcontext():
        if not quiet:
            yield
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield


def _eight_bits(image: ImageFile, raw_mode: str, where: str) -> NDArray[np.uint8]:
    """Return a loaded picture's pixels as uint8 (height, width, 1 or 3)."""
    mode = image.mode
    transparent = "transparency" in image.info
    if mode.startswith("I;16") or (mode == "I" and image.format == "PNG"):
        stored = np.asarray(image)
        pixels = from_sixteen_bits(stored)
        if transparent:
            pixels[stored == image.info["transparency"]] = 255
    elif mode in ("I", "F"):
        pixels = from_open_range(np.asarray(image))
    elif transparent or mode in _WITH_ALPHA:
        pixels = _on_white(image, "L" if _is_grey(image, raw_mode) else "RGB")
    elif mode in ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"):
        target = "L" if _is_grey(image, raw_mode) else "RGB"
        pixels = np.array(image if mode == target else image.convert(target))
    else:
        raise PictureError(where, f"its colour mode {mode} is not supported: try RGB")
    return pixels.reshape(image.height, image.width, -1)


def _is_grey(image: ImageFile, raw_mode: str) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.reshape(image.getpalette() or [], (-1, 3))
        return bool((palette == palette[:, :1]).all())
    # 16-bit grey with alpha leaves Pillow's decoder as RGBA; it was grey, it stays grey.
    return image.mode in ("1", "L", "LA", "La") or raw_mode.startswith("LA")


def _on_white(image: ImageFile, mode: str) -> NDArray[np.uint8]:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(white, image.convert("RGBA")).convert(mode))


def _raw_mode(image: ImageFile) -> str:
    """Return how the pixels lie in the file, as Pillow names it: such as `L;4` or `RGB;16B`."""
    arguments: Any = image.tile[0][3] if image.tile else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _bit_depth(image: ImageFile) -> int:
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))
    if image.mode.startswith("I;16"):
        return 16
    depth = re.search(r";(\d+)", _raw_mode(image))
    bits = {"1": 1, "I": 16, "F": 32}.get(image.mode, 8)
    return int(depth[1]) if depth and image.format == "PNG" else bits


def _stored_channels(image: ImageFile) -> int:
    if _raw_mode(image).startswith("LA"):
        return 2
    if image.mode == "P":
        return 4 if "transparency" in image.info else 3
    return len(image.getbands()) + ("transparency" in image.info)


def _orientation(image: ImageFile) -> int:
    # PngImageFile.getexif would decode the whole picture to look behind its pixels.
    return int(ImageFile.getexif(image).get(_ORIENTATION, 1))


def _turned(image: ImageFile) -> bool:
    """Say whether the decoder has swapped the header's width and height itself."""
    if not isinstance(image, TiffImageFile):
        return False
    return image.size != (image.tag_v2[_IMAGE_WIDTH], image.tag_v2[_IMAGE_LENGTH])
