"""What two pictures have in common to the eye: a 64-bit hash, and a comparison of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

HASHED_SIDE: Final = 32
SIGNATURE_SIDE: Final = 8
_COEFFICIENTS: Final = 8


def perceptual_hashes(pictures: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the 64-bit perceptual hash (pHash; zauner2010) of each picture of (n, 32, 32).

    The orthonormal two-dimensional DCT-II's 8×8 lowest coefficients, row by row, give one bit
    each, most significant first: 1 where the coefficient is above the median of the 64.
    """
    spectrum = np.asarray(scipy.fft.dctn(pictures, axes=(1, 2), norm="ortho"))
    low = spectrum[:, :_COEFFICIENTS, :_COEFFICIENTS].reshape(len(pictures), -1)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def hamming(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return in how many bits the hashes differ, pair by pair."""
    return np.bitwise_count(np.bitwise_xor(left, right))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two pictures are once brought to the same size."""

    difference: float
    """Mean absolute difference of the values, 0 to 255, as they are."""
    correlation: float
    """Pearson's r of the values: 1 where one picture is a brighter or flatter copy of the other."""
    worst_place: float
    """Greatest mean absolute difference in any place of 1/16 of the side, 0 to 255, after the
    best gain and offset: small only where no place differs."""


def compare(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Comparison:
    """Compare two pictures (S, S, channels) of one size and number of channels.

    Let a, b be all values of the two. The gain and offset g, o minimise |g a + o - b|²; then
    difference = mean |a - b|, correlation = cov(a, b) / (σ_a σ_b), and worst_place is the maximum
    of a box mean of |g a + o - b| over S/16 × S/16 pixels, averaged over channels.
    """
    a, b = left.astype(np.float32), right.astype(np.float32)
    centred_a, centred_b = a - a.mean(), b - b.mean()
    covariance = float(np.mean(centred_a * centred_b))
    variance_a, variance_b = float(np.mean(centred_a**2)), float(np.mean(centred_b**2))
    if variance_a <= 0.0 or variance_b <= 0.0:
        same = variance_a == variance_b
        gain, correlation = 0.0, 1.0 if same else 0.0
    else:
        gain = covariance / variance_a
        correlation = covariance / (variance_a * variance_b) ** 0.5
    residual = np.abs(gain * centred_a - centred_b).mean(axis=2)
    box = max(1, left.shape[0] // 16)
    places = cv2.blur(residual, (box, box), borderType=cv2.BORDER_REPLICATE)
    return Comparison(
        difference=float(np.mean(np.abs(a - b))),
        correlation=float(np.clip(correlation, -1.0, 1.0)),
        worst_place=float(places.max()),
    )


def bring_to(pixels: NDArray[np.uint8], side: int, channels: int) -> NDArray[np.uint8]:
    """Squash a picture to (side, side, channels), 1 or 3; by area means, so that sizes compare."""
    if pixels.shape[2] < channels:
        pixels = np.repeat(pixels[..., :1], channels, axis=2)
    cut = np.ascontiguousarray(pixels[..., :channels])
    squashed = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)
    return squashed.reshape(side, side, channels).astype(np.uint8, copy=False)
