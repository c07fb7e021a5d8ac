"""Channels and colour spaces, against their definitions."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from hubel.data.colour import light_channels, to_channels, to_space
from hubel.errors import PictureError

RGB = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def test_grey_is_the_luma_and_grey_becomes_rgb() -> None:
    grey = to_channels(RGB, "grey", 1, "")
    np.testing.assert_allclose(grey[..., 0], RGB @ [0.299, 0.587, 0.114], atol=0.51)
    for space in ("rgb", "hsv"):
        np.testing.assert_array_equal(to_channels(grey, space, 3, ""), np.repeat(grey, 3, axis=2))
    assert to_channels(RGB, "rgb", 3, "") is RGB


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channels(channels: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (4, 3, channels), dtype=np.uint8)
    mean = np.rint(pixels.astype(float).mean(axis=2))
    np.testing.assert_array_equal(to_channels(pixels, "grey", 1, "")[..., 0], mean)
    expected = np.stack([mean] * 3, axis=2) if channels == 2 else pixels[..., :3]
    np.testing.assert_array_equal(to_channels(pixels, "rgb", 3, ""), expected)
    assert to_channels(pixels, "channels", channels, "") is pixels


def test_kept_channels_must_be_as_many_as_in_training() -> None:
    with pytest.raises(PictureError, match=r"x\.png: expected 6 channels, .* got 3"):
        to_channels(RGB, "channels", 6, "x.png")


def test_spaces() -> None:
    hsv = to_space(RGB, "hsv").astype(float)
    expected = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in RGB.reshape(-1, 3) / 255])
    expected = (expected * [256, 255, 255]).reshape(hsv.shape)
    difference = np.abs(hsv - expected)
    difference[..., 0] = np.minimum(difference[..., 0], 256 - difference[..., 0])  # an angle
    assert difference.max() <= 2
    ycrcb = to_space(RGB, "ycrcb")
    luma = RGB @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(ycrcb[..., 0], luma, atol=1)
    red = (0.713 * (RGB[..., 0] - luma) + 128).clip(0, 255)
    np.testing.assert_allclose(ycrcb[..., 1], red, atol=1.5)
    white = np.full((1, 1, 3), 255, np.uint8)
    assert to_space(white, "lab").ravel().tolist() == [255, 128, 128]
    assert to_space(RGB, "rgb") is RGB


def test_light_changes_the_luma_only() -> None:
    pixels = np.zeros((1, 1, 3), np.uint8) + np.array([0, 1, 2], np.uint8)
    assert pixels[..., light_channels("hsv")].ravel().tolist() == [2]
    assert pixels[..., light_channels("lab")].ravel().tolist() == [0]
    assert pixels[..., light_channels("rgb")].ravel().tolist() == [0, 1, 2]
