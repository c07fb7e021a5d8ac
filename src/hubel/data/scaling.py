"""From 8-bit batches to the numbers that a network takes, in one pass through the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

BLOCK: Final = 1 << 16
"""Values that go through all steps at once: their 256 KiB stay in a processor's own cache."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Light:
    """A change of contrast c and brightness b, a number a picture, of the channels `channels`.

    v ← clip(c·(v - m) + m + b, 0, 1), with m the mean of these channels in the picture.
    """

    contrast: Floats
    brightness: Floats
    channels: slice

    def part(self, pictures: slice) -> Light:
        """Return the light of some of the pictures."""
        return Light(
            contrast=self.contrast[pictures],
            brightness=self.brightness[pictures],
            channels=self.channels,
        )


def scale(
    pixels: Pixels,
    out: Floats,
    *,
    light: Light | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> None:
    """Write x/255, relit, then (x - mean)/std per channel, of pixels (N, S, S, C) into `out`.

    Both are contiguous; `mean` and `std` are given together or not at all. What a picture becomes
    does not depend on the pictures beside it: every operation is one rounding of one value, and
    the mean of a picture is taken of whole numbers.
    """
    count, _, width, channels = pixels.shape
    rows = (tuple(np.tile(np.array(row, np.float32), width) for row in (mean, std))) if (
        mean is not None and std is not None
    ) else None
    step = max(1, BLOCK // max(1, pixels[:1].size))
    for first in range(0, count, step):
        block = slice(first, first + step)
        values = out[block]
        np.copyto(values, pixels[block])
        np.divide(values, np.float32(255), out=values)
        if light is not None:
            _relight(values, pixels[block], light.part(block))
        if rows is not None:
            lines = values.reshape(-1, width * channels)
            np.subtract(lines, rows[0], out=lines)
            np.divide(lines, rows[1], out=lines)


def _relight(values: Floats, pixels: Pixels, light: Light) -> None:
    count = len(values)
    if light.channels != slice(None):
        pixels = np.ascontiguousarray(pixels[..., light.channels])
        lit = values[..., light.channels]
    else:
        lit = values
    mean = (sums(pixels) / (pixels[0].size * 255.0)).astype(np.float32)
    contrast = light.contrast
    offset = mean * (1 - contrast) + light.brightness
    shape = (count, 1, 1, 1)
    np.multiply(lit, contrast.reshape(shape), out=lit)
    np.add(lit, offset.reshape(shape), out=lit)
    np.clip(lit, 0.0, 1.0, out=lit)


def sums(pixels: Pixels) -> NDArray[np.int64]:
    """Return the sum of each contiguous picture (N, height, width, C), exactly."""
    count, height = pixels.shape[:2]
    lines = cv2.reduce(pixels.reshape(count * height, -1), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return lines.reshape(count, height).sum(axis=1, dtype=np.int64)
