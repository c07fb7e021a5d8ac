"""From 8-bit batches to the numbers that a network takes: one look-up a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_UNIT: Final = np.arange(256, dtype=np.float32) / np.float32(255)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Light:
    """A change of contrast c and brightness b, one of each a picture.

    v ← clip(c·(v - m) + m + b, 0, 1), with m the mean of the channels `channels`, which alone are
    changed, over the picture.
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

    Both are contiguous; `mean` and `std` are given together or not at all. A channel has only 256
    values, so the steps are taken on tables, in float32, one rounding each. What a picture becomes
    does not depend on the pictures beside it: its mean is taken of whole numbers.
    """
    count, height, width, channels = pixels.shape
    if count == 0:
        return
    tables = np.repeat(_UNIT[None, :, None], channels, axis=2)
    if light is not None:
        tables = np.repeat(tables, count, axis=0)
        _relight(tables[..., light.channels], pixels[..., light.channels], light)
    if mean is not None and std is not None:
        tables = (tables - np.array(mean, np.float32)) / np.array(std, np.float32)
    if light is None:
        joined = (count * height, width, channels)
        cv2.LUT(pixels.reshape(joined), tables, out.reshape(joined))
        return
    for picture, table, values in zip(pixels, tables, out, strict=True):
        cv2.LUT(picture, table[None], values)


def _relight(tables: Floats, pixels: Pixels, light: Light) -> None:
    """Change tables (N, 256, channels) in place."""
    means = sums(pixels) / (pixels[0].size * 255.0)
    offsets = means.astype(np.float32) * (1 - light.contrast) + light.brightness
    tables *= light.contrast[:, None, None]
    tables += offsets[:, None, None]
    np.clip(tables, 0.0, 1.0, out=tables)


def sums(pixels: Pixels) -> NDArray[np.int64]:
    """Return the sum of each picture (N, height, width, C), exactly."""
    count, height = pixels.shape[:2]
    lines = np.ascontiguousarray(pixels).reshape(count * height, -1)
    rows = cv2.reduce(lines, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return rows.reshape(count, height).sum(axis=1, dtype=np.int64)
