"""Kernel regression on labels, whose every prediction leaves out the picture that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LANDMARKS: Final = 600
"""Pictures that span the kernel's space at most."""
PENALTIES: Final = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Ridge penalties; the one with the least squared error of left-out labels is taken."""
_SEED: Final = 20_210


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """A kernel ridge regression from features to class indicators."""

    left_out: NDArray[np.float64]
    """(n, classes): what the other pictures say of each picture; rows sum to 1, none is below 0."""
    landmarks: NDArray[np.float64]
    widths: float
    map_: NDArray[np.float64]
    """(landmarks, classes)."""
    shares: NDArray[np.float64]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shares (m, classes) for other pictures."""
        kernel = _kernel(features, self.landmarks, self.widths)
        return _as_shares(self.shares + kernel @ self.map_)


def regress(features: NDArray[np.float64], labels: NDArray[np.int64], classes: int) -> Regression:
    """Regress class indicators Y (n, C) on features (n, d).

    With the Gaussian kernel K to m landmarks, Φ = K_nm K_mm^(-1/2) = U S Vᵀ and a penalty λ, the
    prediction is H Y with H = U S²/(S² + λ) Uᵀ, and without picture i's own label
    (ŷ_i - H_ii y_i) / (1 - H_ii). A least-squares prediction of an indicator estimates the class's
    probability.
    """
    number = len(features)
    chosen = np.arange(number)
    if number > LANDMARKS:
        chosen = np.sort(np.random.default_rng(_SEED).permutation(number)[:LANDMARKS])
    landmarks = features[chosen]
    width = float(np.median(_distances(landmarks, landmarks)))
    values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks, width))
    root = vectors / np.sqrt(np.maximum(values, 1e-6 * values[-1]))
    rotated = _kernel(features, landmarks, width) @ root
    shares = np.bincount(labels, minlength=classes) / number
    targets = np.eye(classes)[labels] - shares
    energies, basis = np.linalg.eigh(rotated.T @ rotated)
    energies = np.maximum(energies, 1e-12)
    left = rotated @ basis / np.sqrt(energies)
    projected = left.T @ targets
    errors: list[float] = []
    outcomes: list[NDArray[np.float64]] = []
    for penalty in PENALTIES:
        kept = energies / (energies + penalty)
        own = np.minimum((left**2) @ kept, 1.0 - 1e-6)[:, None]
        outcome = ((left * kept) @ projected - own * targets) / (1.0 - own)
        outcomes.append(outcome)
        errors.append(float(np.mean((outcome - targets) ** 2)))
    best = int(np.argmin(errors))
    weights = np.sqrt(energies) / (energies + PENALTIES[best])
    return Regression(
        left_out=_as_shares(outcomes[best] + shares),
        landmarks=landmarks,
        widths=width,
        map_=root @ basis @ (weights[:, None] * projected),
        shares=shares,
    )


def _distances(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2.0 * left @ right.T
    return np.maximum(squares, 0.0)


def _kernel(
    left: NDArray[np.float64], right: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """Return exp(-|a - b|² / width)."""
    return np.exp(-_distances(left, right) / max(width, 1e-12))


def _as_shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(values, 1e-6, None)
    return clipped / clipped.sum(axis=1, keepdims=True)
