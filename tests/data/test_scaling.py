"""Scaling by tables is the formula, value by value."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data.scaling import Light, scale, sums


def pixels_of(count: int, side: int, channels: int) -> np.ndarray:
    random = np.random.default_rng(count * side * channels)
    return random.integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 7), st.booleans())
@settings(max_examples=30, deadline=None)
def test_mean_and_deviation_have_the_bits_of_the_formula(
    count: int, side: int, channels: int, standard: bool
) -> None:
    pixels = pixels_of(count, side, channels)
    mean, std = np.linspace(0.2, 0.7, channels), np.linspace(0.1, 0.4, channels)
    out = np.full(pixels.shape, np.nan, np.float32)
    given_ = {"mean": tuple(mean), "std": tuple(std)} if standard else {}
    scale(pixels, out, **given_)
    expected = pixels.astype(np.float32) / np.float32(255)
    if standard:
        expected = (expected - mean.astype(np.float32)) / std.astype(np.float32)
    np.testing.assert_array_equal(out, expected)


@given(st.integers(1, 5), st.integers(1, 9), st.sampled_from([(1, slice(None)), (3, slice(0, 1))]))
@settings(max_examples=30, deadline=None)
def test_light_changes_its_channels_about_their_mean(count: int, side: int, kind) -> None:
    channels, lit = kind
    pixels = pixels_of(count, side, channels)
    contrast = np.linspace(0.8, 1.25, count).astype(np.float32)
    brightness = np.linspace(-0.1, 0.1, count).astype(np.float32)
    out = np.empty(pixels.shape, np.float32)
    light = Light(contrast=contrast, brightness=brightness, channels=lit)
    scale(pixels, out, light=light, mean=(0.5,) * channels, std=(0.25,) * channels)
    expected = pixels / 255.0
    for place in range(count):
        part = expected[place][..., lit]
        changed = contrast[place] * (part - part.mean()) + part.mean() + brightness[place]
        part[...] = changed.clip(0, 1)
    np.testing.assert_allclose(out, (expected - 0.5) / 0.25, atol=1e-5)


def test_a_picture_is_scaled_alike_in_any_company() -> None:
    pixels = pixels_of(7, 6, 3)
    light = Light(
        contrast=np.linspace(0.8, 1.2, 7).astype(np.float32),
        brightness=np.linspace(-0.1, 0.1, 7).astype(np.float32),
        channels=slice(None),
    )
    together = np.empty(pixels.shape, np.float32)
    scale(pixels, together, light=light, mean=(0.4,) * 3, std=(0.3,) * 3)
    for place in range(7):
        alone = np.empty((1, 6, 6, 3), np.float32)
        one = slice(place, place + 1)
        scale(pixels[one], alone, light=light.part(one), mean=(0.4,) * 3, std=(0.3,) * 3)
        np.testing.assert_array_equal(alone[0], together[place])


def test_nothing_to_scale() -> None:
    empty = np.empty((0, 4, 4, 3), np.uint8)
    scale(empty, np.empty(empty.shape, np.float32), mean=(0.5,) * 3, std=(1.0,) * 3)


def test_sums_are_exact_where_one_row_of_32_bits_would_not_hold_the_picture() -> None:
    white = np.full((2, 2100, 2100, 4), 255, np.uint8)
    white[1, 0, 0, 0] = 0
    whole = 2100 * 2100 * 4 * 255
    assert whole > 2**31
    np.testing.assert_array_equal(sums(white), [whole, whole - 255])
