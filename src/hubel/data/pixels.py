"""Pixels of any type to 8 bits, and pixels turned as their EXIF orientation says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.errors import PictureError


def from_array(array: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Return an array's pixels as uint8 (height, width, channels); see `decoding.decode`.

    Errors: PictureError for other shapes, other types, and values outside the type's range.
    """
    if array.ndim not in (2, 3) or 0 in array.shape:
        wanted = "(height, width) or (height, width, channels)"
        raise PictureError(where, f"expected an array {wanted}, got shape {array.shape}")
    pixels = _to_eight_bits(array, where)
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return _composite(pixels) if pixels.shape[2] == 4 else pixels


def _to_eight_bits(array: NDArray[Any], where: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return from_sixteen_bits(array)
    if array.dtype.kind not in "iuf":
        raise PictureError(where, f"expected an array of numbers, got {array.dtype}")
    limit = 1 if array.dtype.kind == "f" else 255
    least, greatest = array.min(), array.max()
    if not (least >= 0 and greatest <= limit):  # so written that NaN is refused too
        found = f"{least:.6g} to {greatest:.6g}"
        raise PictureError(where, f"expected {array.dtype} values in 0 to {limit}, got {found}")
    return array.astype(np.uint8) if limit == 255 else _rounded(array * 255.0)


def _composite(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay RGBA on white: c·α + 255·(1 - α), rounded."""
    alpha = rgba[:, :, 3:].astype(np.float32) / np.float32(255)
    return _rounded(rgba[:, :, :3] * alpha + 255 * (1 - alpha))


def _rounded(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(values).astype(np.uint8)


def from_sixteen_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return round(v / 257), so that 0 stays 0 and 65,535 becomes 255."""
    # v/257 is never half-way between two integers (257 is odd), so this is exact.
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def from_open_range(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return 32-bit integer or floating-point pixels, whose format names no range, as 8 bits.

    Values below 0 and those that are not finite become 0. White is the first of 1 (floating
    point only), 255 and 65,535 that no value exceeds, and else the greatest value.
    """
    whites = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    numbers = values.astype(np.float64)
    numbers[~np.isfinite(numbers)] = 0.0
    greatest = float(numbers.max())
    white = next((limit for limit in whites if greatest <= limit), greatest)
    return _rounded(numbers.clip(min=0.0) * (255.0 / white))


def orient(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror pixels (height, width, channels) as EXIF orientation 1 to 8 says.

    5 to 8 exchange rows and columns first; then rows, columns or both are reversed. Other
    numbers mean nothing and change nothing.
    """
    if orientation not in _REVERSALS:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    rows, columns = _REVERSALS[orientation]
    return np.ascontiguousarray(pixels[:: -1 if rows else 1, :: -1 if columns else 1])


#               rows reversed, columns reversed
_REVERSALS = {
    2: (False, True),
    3: (True, True),
    4: (True, False),
    5: (False, False),
    6: (False, True),
    7: (True, True),
    8: (True, False),
}
