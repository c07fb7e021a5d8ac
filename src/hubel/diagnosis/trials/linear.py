"""Linear maps with an L2 penalty: logistic regression for classes, ridge regression for numbers.

They are the floor under a network, asked for in almost every diagnosis: they are fitted by torch,
since to import a library for it would take ten times as long as to fit them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

PENALTY: Final = 10.0
"""λ, on standardised pixels."""
ITERATIONS: Final = 100
_FLAT: Final = 1e-4
"""Largest slope of the mean loss at which a fit is done."""

Map = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From rows (m, features) to scores or numbers (m, outputs)."""


def logistic_regression(
    rows: NDArray[np.float32], classes: NDArray[np.int64], number: int, penalty: float = PENALTY
) -> Map:
    """Return the scores x W + b that minimise Σ_i CE(x_i W + b, y_i) + λ ‖W‖² / 2.

    The offsets b are free. At most 100 iterations of L-BFGS with a strong Wolfe line search
    (nocedal2006numerical): an unfinished fit is a floor too.
    """
    inputs, targets = torch.from_numpy(rows), torch.from_numpy(classes)
    weights = torch.zeros(rows.shape[1], number, requires_grad=True)
    offsets = torch.zeros(number, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights, offsets],
        max_iter=ITERATIONS,
        tolerance_grad=_FLAT,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> float:
        optimizer.zero_grad()
        error = F.cross_entropy(inputs @ weights + offsets, targets)
        error = error + penalty / 2 / len(inputs) * weights.square().sum()
        error.backward()
        return float(error.detach())

    optimizer.step(loss)
    found, added = weights.detach().numpy(), offsets.detach().numpy()
    return lambda asked: asked @ found + added


def ridge_regression(
    rows: NDArray[np.float32], numbers: NDArray[np.float32], penalty: float = PENALTY
) -> Map:
    """Return x W + b that minimises Σ_i ‖x_i W + b - y_i‖² + λ ‖W‖², the offsets b free.

    With rows and numbers less their means X and Y, W = Xᵀ (X Xᵀ + λ)⁻¹ Y, or (Xᵀ X + λ)⁻¹ Xᵀ Y
    where there are fewer features than rows. Source: hoerl1970ridge.
    """
    centre, level = rows.mean(0), numbers.mean(0)
    known, wanted = (rows - centre).astype(np.float64), (numbers - level).astype(np.float64)
    count, width = known.shape
    if width <= count:
        found = np.linalg.solve(known.T @ known + penalty * np.eye(width), known.T @ wanted)
    else:
        found = known.T @ np.linalg.solve(known @ known.T + penalty * np.eye(count), wanted)
    weights: NDArray[np.float32] = found.astype(np.float32)

    def numbers_of(asked: NDArray[np.float32]) -> NDArray[np.float32]:
        return (asked - centre) @ weights + level

    return numbers_of
