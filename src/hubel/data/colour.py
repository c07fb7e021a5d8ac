"""Channels of a picture: grey, RGB, or as many as it has; and colour spaces of the input."""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from hubel.errors import PictureError

Pixels = NDArray[np.uint8]
ColourSpace = Literal["grey", "rgb", "hsv", "lab", "ycrcb", "channels"]
"""`channels` keeps the channels of pictures that are neither grey nor RGB."""

_FROM_RGB: Final = {
    "hsv": cv2.COLOR_RGB2HSV_FULL,  # hue in 0 to 255, not OpenCV's 0 to 180
    "lab": cv2.COLOR_RGB2Lab,
    "ycrcb": cv2.COLOR_RGB2YCrCb,
}
_TO_RGB: Final = {
    "hsv": cv2.COLOR_HSV2RGB_FULL,
    "lab": cv2.COLOR_Lab2RGB,
    "ycrcb": cv2.COLOR_YCrCb2RGB,
}
_LUMA: Final = {"hsv": 2, "lab": 0, "ycrcb": 0}


def to_channels(pixels: Pixels, space: ColourSpace, channels: int, where: str) -> Pixels:
    """Bring pixels (height, width, any) to grey, to RGB (also for hsv, lab, ycrcb), or keep them.

    RGB becomes grey as 0.299 R + 0.587 G + 0.114 B. Of other numbers of channels, grey is the
    mean; RGB is the first three, or, of two, their mean three times.

    Errors: PictureError where channels are kept and the number is not `channels`.
    """
    found = pixels.shape[2]
    wanted = channels if space == "channels" else 1 if space == "grey" else 3
    if found == wanted:
        return pixels
    if space == "channels":
        what = f"expected {channels} channels, as the training pictures have, got {found}"
        raise PictureError(where, what)
    if space == "grey" and found == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]
    if space != "grey" and found > 3:
        return np.ascontiguousarray(pixels[:, :, :3])
    grey = np.rint(pixels.mean(axis=2, keepdims=True)).astype(np.uint8)
    return grey if space == "grey" else np.repeat(grey, 3, axis=2)


def to_space(pixels: Pixels, space: ColourSpace) -> Pixels:
    """Convert RGB pixels to the colour space, 8 bits a channel; grey, RGB and others stay."""
    code = _FROM_RGB.get(space)
    return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def to_rgb(pixels: Pixels, space: ColourSpace) -> Pixels:
    """Convert pixels of the colour space back to RGB; grey, RGB and others stay."""
    code = _TO_RGB.get(space)
    return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def light_channels(space: ColourSpace) -> slice:
    """Return the channels that a change of light changes: the luma, where there is one."""
    luma = _LUMA.get(space)
    return slice(None) if luma is None else slice(luma, luma + 1)
