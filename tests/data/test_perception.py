"""The perceptual hash and the comparison of pixels, derived a second time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.data.perception import bring_to, compare, hamming, perceptual_hashes


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def dct_by_definition(pixels, size=8):
    n = len(pixels)
    basis = np.array(
        [
            [
                math.sqrt((1 if u == 0 else 2) / n) * math.cos(math.pi * (2 * x + 1) * u / (2 * n))
                for x in range(n)
            ]
            for u in range(size)
        ]
    )
    return basis @ pixels @ basis.T


def test_the_hash_by_definition():
    pictures = np.stack([noise(32, 32, seed=seed) for seed in range(3)]).astype(np.float32)
    for picture, hashed in zip(pictures, perceptual_hashes(pictures), strict=True):
        low = dct_by_definition(picture.astype(float)).ravel()
        bits = "".join("1" if value > np.median(low) else "0" for value in low)
        assert int(hashed) == int(bits, 2)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), min_size=1))
def test_hamming_counts_bits(pairs):
    left, right = np.array(pairs, np.uint64).T
    expected = [(a ^ b).bit_count() for a, b in pairs]
    assert hamming(left, right).tolist() == expected


def test_comparison_by_definition():
    left, right = noise(32, 32, 3), noise(32, 32, 3, seed=1)
    right[:, :16] = left[:, :16]
    a, b = left.astype(float).ravel(), right.astype(float).ravel()
    found = compare(left, right)
    assert found.difference == pytest.approx(np.abs(a - b).mean(), rel=1e-4)
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1], rel=1e-4)
    gain, offset = np.polyfit(a, b, 1)
    residual = np.abs(gain * left.astype(float) + offset - right).mean(axis=2)
    places = [residual[y : y + 2, x : x + 2].mean() for y in range(31) for x in range(31)]
    assert found.worst_place == pytest.approx(max(places), rel=0.1)


@given(st.floats(0.3, 1.0), st.floats(0.0, 50.0))
def test_brightness_and_contrast_do_not_count(gain, offset):
    picture = noise(16, 16, 1)
    other = np.rint(picture * gain + offset).clip(0, 255).astype(np.uint8)
    if picture.max() * gain + offset > 255:
        return
    found = compare(picture, other)
    assert found.correlation > 0.9999
    assert found.worst_place < 1.0


def test_one_changed_place_shows():
    picture = noise(64, 64, 1) // 4
    other = picture.copy()
    other[20:24, 40:44] = 255
    found = compare(picture, other)
    assert found.difference < 1.0
    assert found.worst_place > 150


def test_constant_pictures():
    low, high = np.zeros((8, 8, 1), np.uint8), np.full((8, 8, 1), 9, np.uint8)
    assert compare(low, high).correlation == 1.0
    assert compare(low, noise(8, 8, 1)).correlation == 0.0
    assert compare(noise(8, 8, 1), low).correlation == 0.0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stored", [1, 2, 3, 5])
def test_any_picture_comes_to_one_size(channels, stored):
    pixels = noise(20, 30, stored)
    small = bring_to(pixels, 10, channels)
    assert small.shape == (10, 10, channels)
    mean = pixels[..., 0].reshape(10, 2, 10, 3).mean(axis=(1, 3))
    assert np.abs(small[..., 0] - mean).max() <= 0.51
