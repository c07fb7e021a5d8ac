"""How a picture is brought to the square: one matrix and one resampling, whatever is asked for.

A matrix (2, 3), float64, takes an output pixel to the source: (x, y)ᵀ = M · (x', y', 1)ᵀ.
Pixels are counted from 0 and their centres lie on whole numbers, so a picture of width W spans
-1/2 to W - 1/2. Outside, the output shows the picture's border colour: per channel the median of
its edge pixels. It needs no measured or chosen number, leaves plain backgrounds plain (black
around digits, white around cut-out photographs), and is the same in every verb.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hubel.options.preprocessing import Fit

Matrix = NDArray[np.float64]
Pixels = NDArray[np.uint8]

RESIZE_FROM: Final = 1.25
"""Pictures are first resized where they shrink or grow by this; else bilinear sampling suffices."""

_LONGEST_WARP: Final = 30_000  # OpenCV's warps count in 16 bits
_EXACT: Final = 1e-6
_EDGE_PIXELS: Final = 64
_NO_MOVES: Final = ((1, 0), (1, 0))
_FLAGS: Final = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


@lru_cache(maxsize=4096)
def fit_matrix(height: int, width: int, size: int, fit: Fit, share: float = 1.0) -> Matrix:
    """Return the matrix that brings a picture (height, width) to (size, size).

    - squash: each axis is scaled alone, x = (x' + 1/2)·W/S - 1/2.
    - crop: the central square of side share · min(H, W), at whole pixels, is scaled.
    - letterbox: the whole picture is scaled by S / max(H, W), its shorter side rounded to whole
      pixels, and centred at whole pixels; the rest shows the border colour.

    The result is shared between calls and read-only.
    """
    x0, y0, side_x, side_y = 0, 0, width, height  # rectangle of the source
    left, top, wide, high = 0, 0, size, size  # rectangle of the output that it fills
    if fit == "crop":
        side_x = side_y = max(1, round(share * min(height, width)))
        x0, y0 = (width - side_x) // 2, (height - side_y) // 2
    elif fit == "letterbox":
        longest = max(height, width)
        wide, high = (max(1, round(side * size / longest)) for side in (width, height))
        left, top = (size - wide) // 2, (size - high) // 2
    scale_x, scale_y = side_x / wide, side_y / high
    matrix = np.array(
        [
            [scale_x, 0.0, x0 - 0.5 + scale_x * (0.5 - left)],
            [0.0, scale_y, y0 - 0.5 + scale_y * (0.5 - top)],
        ]
    )
    matrix.flags.writeable = False
    return matrix


def is_identity(matrix: Matrix) -> bool:
    """Say whether a matrix leaves every pixel where it is, exactly."""
    return matrix.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def shrunk(pixels: Pixels, size: int, fit: Fit, share: float, detail: float) -> Pixels:
    """Shrink a whole picture to what the fit can show, and `detail` times as many pixels a side.

    With s the factor by which the fit shrinks, the sides become round(side · detail / s), by area
    averages, where s / detail is RESIZE_FROM or more; both sides together, or with squash each
    alone. Smaller pictures are returned as they are. Applied twice, it does nothing more.
    """
    height, width = pixels.shape[:2]
    sides = (width, height)
    if fit == "squash":
        factors = (width / size, height / size)
    elif fit == "crop":
        factors = (max(1, round(share * min(sides))) / size,) * 2
    else:
        factors = (max(sides) / size,) * 2
    wide, high = (
        max(1, round(side * detail / factor)) if factor >= RESIZE_FROM * detail else side
        for side, factor in zip(sides, factors, strict=True)
    )
    return pixels if (wide, high) == sides else _resize(pixels, (wide, high), cv2.INTER_AREA)


def border_colour(pixels: Pixels) -> list[int]:
    """Return, per channel, the median of the edge pixels (of 64 evenly spaced ones at most)."""
    height, width, channels = pixels.shape
    edge = pixels.reshape(-1, channels).take(_edge_places(height, width), axis=0)
    edge.sort(axis=0)
    return edge[len(edge) // 2].tolist()


@lru_cache(maxsize=4096)
def _edge_places(height: int, width: int) -> NDArray[np.int64]:
    """Return places in a flat (height · width) picture, clockwise from the upper left corner."""
    places = np.arange(height * width).reshape(height, width)
    sides = (places[0], places[1:, -1], places[-1, :-1][::-1], places[1:-1, 0][::-1])
    edge = np.concatenate(sides if min(height, width) > 1 else (places.ravel(),))
    count = min(len(edge), _EDGE_PIXELS)
    return edge[np.arange(count) * len(edge) // count]


def resample(pixels: Pixels, matrix: Matrix, size: int, out: Pixels | None = None) -> Pixels:
    """Resample pixels (height, width, channels) to (size, size, channels) through `matrix`.

    An axis that is shrunk by RESIZE_FROM or more is averaged over areas (box filter of the
    factor's width), so that nothing aliases; one that is enlarged as much is interpolated
    linearly, edge pixels keeping their colour to their rim. What is left, near scale 1, is one
    bilinear interpolation, exact for mirroring and for shifts by whole pixels, as all fits are;
    the identity copies bit by bit. `out`, if given, receives the result.
    """
    height, width = pixels.shape[:2]
    (a, b, _), (c, d, _) = matrix.tolist()
    shrink_x, shrink_y = math.hypot(a, b), math.hypot(c, d)
    border: list[int] | None = None
    if _resizes(shrink_x) or _resizes(shrink_y) or max(height, width) > _LONGEST_WARP:
        border = border_colour(pixels)
        pixels, matrix = _resized(pixels, matrix, size, shrink_x, shrink_y)
        height, width = pixels.shape[:2]
    moves = _whole_moves(matrix)
    if height == width == size and moves == _NO_MOVES:
        if out is None:
            return pixels
        out[...] = pixels
        return out
    if moves is not None:
        return _moved(pixels, moves, size, border, out)
    return _warped(pixels, matrix, size, border or border_colour(pixels), out)


def _resizes(shrink: float) -> bool:
    return not 1 / RESIZE_FROM < shrink < RESIZE_FROM


def _whole_moves(matrix: Matrix) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return (sign, shift) of x and of y where pixels only move by whole ones, perhaps mirrored."""
    # In Python's floats: for a tiny picture numpy's overhead would be a third of the work.
    (a, b, x), (c, d, y) = matrix.tolist()
    if abs(b) > _EXACT or abs(c) > _EXACT:
        return None
    left, top = round(x), round(y)
    if max(abs(abs(a) - 1), abs(x - left), abs(abs(d) - 1), abs(y - top)) > _EXACT:
        return None
    return (1 if a > 0 else -1, left), (1 if d > 0 else -1, top)


def _moved(
    pixels: Pixels,
    moves: tuple[tuple[int, int], tuple[int, int]],
    size: int,
    border: list[int] | None,
    out: Pixels | None,
) -> Pixels:
    """Copy pixels to where they move; no colour is computed, but for the border's."""
    height, width, channels = pixels.shape
    (sign_x, shift_x), (sign_y, shift_y) = moves
    to_x, from_x = _spans(sign_x, shift_x, width, size)
    to_y, from_y = _spans(sign_y, shift_y, height, size)
    if out is None:
        out = np.empty((size, size, channels), np.uint8)
    if (to_x.stop - to_x.start, to_y.stop - to_y.start) != (size, size):
        # A whole row at once: numpy would go through a colour's three values each time.
        out[...] = np.tile(np.array(border or border_colour(pixels), np.uint8), (size, 1))
    part = pixels[from_y, from_x]
    if min(sign_x, sign_y) < 0 and part.size:
        axes = {(-1, 1): 1, (1, -1): 0, (-1, -1): -1}
        part = cv2.flip(part, axes[sign_x, sign_y]).reshape(part.shape)
    out[to_y, to_x] = part
    return out


def _spans(sign: int, shift: int, length: int, size: int) -> tuple[slice, slice]:
    """Return the places of the output, and of the source, along an axis: x = sign · x' + shift."""
    if sign > 0:
        first, last = max(0, -shift), min(size, length - shift)
        last = max(first, last)
        return slice(first, last), slice(first + shift, last + shift)
    first, last = max(0, shift - length + 1), min(size, shift + 1)
    last = max(first, last)
    return slice(first, last), slice(shift - last + 1, shift - first + 1)


def _warped(
    pixels: Pixels, matrix: Matrix, size: int, border: list[int], out: Pixels | None
) -> Pixels:
    square, channels = (size, size), pixels.shape[2]
    if out is None:
        out = np.empty((size, size, channels), np.uint8)
    if channels == 3:
        # OpenCV is faster by half with four channels, conversions included, and rounds alike.
        four = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
        colour = [*border, 0]
        warped = cv2.warpAffine(four, matrix, square, None, _FLAGS, cv2.BORDER_CONSTANT, colour)
        cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, out)
        return out
    if channels <= 4:
        cv2.warpAffine(pixels, matrix, square, out, _FLAGS, cv2.BORDER_CONSTANT, border)
        return out
    for first in range(0, channels, 4):  # OpenCV's limit
        part = np.ascontiguousarray(pixels[:, :, first : first + 4])
        colour = border[first : first + 4]
        warped = cv2.warpAffine(part, matrix, square, None, _FLAGS, cv2.BORDER_CONSTANT, colour)
        out[:, :, first : first + 4] = warped.reshape(size, size, -1)
    return out


def _resized(
    pixels: Pixels, matrix: Matrix, size: int, shrink_x: float, shrink_y: float
) -> tuple[Pixels, Matrix]:
    """Cut the source to what the output sees and resize it; return it with its own matrix."""
    x0, x1 = _seen(matrix[0], size, shrink_x, pixels.shape[1])
    y0, y1 = _seen(matrix[1], size, shrink_y, pixels.shape[0])
    wide, high = _new_length(x1 - x0, shrink_x), _new_length(y1 - y0, shrink_y)
    # In the resized picture: x'' = (x - x0 + 1/2)·wide/(x1 - x0) - 1/2.
    new_matrix = matrix.copy()
    for row, start, length, target in ((0, x0, x1 - x0, wide), (1, y0, y1 - y0, high)):
        factor = target / length
        new_matrix[row] *= factor
        new_matrix[row, 2] += (0.5 - start) * factor - 0.5
    pixels = pixels[y0:y1, x0:x1]
    least = (min(wide, x1 - x0), min(high, y1 - y0))
    return _resize(
        _resize(pixels, least, cv2.INTER_AREA), (wide, high), cv2.INTER_LINEAR
    ), new_matrix


def _resize(pixels: Pixels, shape: tuple[int, int], method: int) -> Pixels:
    """Resize to `shape` (width, height), any number of channels."""
    wide, high = shape
    if pixels.shape[:2] == (high, wide):
        return np.ascontiguousarray(pixels)
    resized = np.empty((high, wide, pixels.shape[2]), np.uint8)
    for first in range(0, pixels.shape[2], 4):  # OpenCV's limit
        part = np.ascontiguousarray(pixels[:, :, first : first + 4])
        new = cv2.resize(part, shape, interpolation=method)
        resized[:, :, first : first + 4] = new.reshape(high, wide, -1)
    return resized


def _seen(row: NDArray[np.float64], size: int, shrink: float, length: int) -> tuple[int, int]:
    """Return the range of source pixels along one axis on which the output depends."""
    a, b, shift = row.tolist()
    corners = [a * x + b * y + shift + 0.5 for x in (-0.5, size - 0.5) for y in (-0.5, size - 0.5)]
    upright = min(abs(a), abs(b)) < _EXACT * max(abs(a), abs(b))
    # A fit's rectangle needs no neighbours; sampling between pixels does.
    margin = 0.0 if upright and _resizes(shrink) else max(shrink, 1.0) + 1.0
    first = math.floor(min(corners) - margin + _EXACT)
    last = math.ceil(max(corners) + margin - _EXACT)
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first + 1), length)


def _new_length(length: int, shrink: float) -> int:
    return max(1, round(length / shrink)) if _resizes(shrink) else length
