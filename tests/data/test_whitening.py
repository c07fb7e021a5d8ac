"""Whitening: the covariance of what was measured becomes the identity, in its directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data.preprocessing import Preprocessing
from hubel.data.whitening import EPSILON, Moments, from_tiles, tile_side, to_tiles
from hubel.options.preprocessing import PreprocessingOptions

RANDOM = np.random.default_rng(5)


def correlated(count: int, values: int) -> np.ndarray:
    mixing = np.eye(values) + 0.5 * RANDOM.normal(size=(values, values)) / np.sqrt(values)
    return (
        np.rint(128 + 25 * RANDOM.normal(size=(count, values)) @ mixing)
        .clip(0, 255)
        .astype(np.uint8)
    )


@pytest.mark.parametrize("kind", ["pca", "zca"])
def test_covariance_of_whitened_pictures(kind: str) -> None:
    vectors = correlated(4000, 12)
    moments = Moments(12)
    moments.add(vectors)
    whitening = moments.whitening(kind)
    whitened = whitening(torch.from_numpy(vectors / 255).float().view(-1, 3, 2, 2))
    assert whitened.shape == (4000, 3, 2, 2)
    found = np.cov(whitened.reshape(4000, 12).double().numpy().T, bias=True)
    np.testing.assert_allclose(found, np.eye(12), atol=0.15)  # nearly, because of epsilon
    spread, basis = np.linalg.eigh(np.cov(vectors.T / 255, bias=True))
    shares = spread / (spread + EPSILON * spread.mean())
    expected = np.diag(shares[::-1]) if kind == "pca" else basis @ np.diag(shares) @ basis.T
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(whitened.mean(0), 0, atol=1e-4)


def test_zca_is_symmetric_and_nearest_to_the_picture() -> None:
    moments = Moments(8)
    moments.add(correlated(500, 8))
    zca, pca = moments.whitening("zca").matrix, moments.whitening("pca").matrix
    assert torch.equal(zca, zca.T)
    assert torch.linalg.eigvalsh(zca.double()).min() > 0
    np.testing.assert_allclose(pca.T @ pca, zca @ zca, rtol=1e-3, atol=1e-3)  # both Σ⁻¹


def test_constant_and_silent_directions_stay_finite() -> None:
    vectors = correlated(50, 6)
    vectors[:, 2] = 9
    moments = Moments(6)
    moments.add(vectors)
    assert moments.whitening("zca").matrix.abs().max() < 1e3
    flat = Moments(6)
    flat.add(np.full((4, 6), 3, np.uint8))
    whitening = flat.whitening("pca")
    assert torch.isfinite(whitening.matrix).all()
    assert whitening(torch.full((1, 6, 1, 1), 3 / 255)).abs().max() < 1e-6


def test_moments_do_not_depend_on_the_order() -> None:
    vectors = correlated(300, 10)
    forwards, backwards = Moments(10), Moments(10)
    forwards.add(vectors)
    for part in np.array_split(vectors[::-1], 7):
        backwards.add(part)
    for name in ("count", "sums", "products"):
        np.testing.assert_array_equal(getattr(forwards, name), getattr(backwards, name))


@given(st.integers(1, 4), st.integers(1, 30), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_tiles_go_back_to_their_places(channels: int, size: int, side: int) -> None:
    pictures = torch.arange(2 * channels * size * size).float().view(2, channels, size, size)
    tiles = to_tiles(pictures, side)
    assert tiles.shape == (2, (-(-size // side)) ** 2, channels * side * side)
    assert torch.equal(from_tiles(tiles, side, channels, size), pictures)
    if size >= side:
        first = pictures[0, :, :side, :side].reshape(-1)
        assert torch.equal(tiles[0, 0], first)


def test_which_pictures_are_tiled() -> None:
    assert tile_side(3, 32) == 32
    assert tile_side(3, 33) == 8
    assert tile_side(1, 55) == 55
    assert tile_side(1, 224) == 8
    assert tile_side(100, 64) == 5


def test_tiles_are_whitened_alike(pictures) -> None:
    base = correlated(40, 3 * 36 * 36).reshape(-1, 3, 36, 36)
    blurred = ((base + np.roll(base, 1, 3).astype(int)) // 2).astype(np.uint8)
    source = pictures(list(blurred.transpose(0, 2, 3, 1)))
    made = Preprocessing.measure(
        PreprocessingOptions(normalise="zca"), source, np.arange(40), size=36, grey=False
    )
    whitened = made.normalise(torch.from_numpy(blurred.transpose(0, 2, 3, 1).copy()))
    assert whitened.shape == (40, 3, 36, 36)
    before = to_tiles(torch.from_numpy(blurred)[:, :, :32, :32], 8).flatten(0, 1).numpy() / 255
    spread, basis = np.linalg.eigh(np.cov(before.T, bias=True))
    expected = basis @ np.diag(spread / (spread + EPSILON * spread.mean())) @ basis.T
    after = to_tiles(whitened[:, :, :32, :32], 8).flatten(0, 1).double().numpy()
    np.testing.assert_allclose(np.cov(after.T, bias=True), expected, atol=1e-3)
