"""Whether weights are still the random numbers that they began as."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

LEAST: Final = 64
"""Elements of a tensor below which nothing can be told of its distribution."""
_ROUNDING: Final = 1e-5


def is_fresh(weights: Tensor) -> bool:
    """Return whether weights fill the interval of a common uniform initialisation, to its ends.

    The largest of n numbers uniform in (−b, b) lies in (b (1 − 10 / n), b) with probability
    1 − e⁻¹⁰; one update of training moves some beyond b. b = 1/√fan_in is torch's default,
    √(6/fan_in) that of he2015delving, √(6/(fan_in + fan_out)) that of glorot2010understanding.
    """
    number = weights.numel()
    if weights.ndim < 2 or number < LEAST:
        return False
    fan_in = weights[0].numel()
    fan_out = number // weights.shape[1]
    largest = float(weights.detach().abs().max())
    bounds = (1 / math.sqrt(fan_in), math.sqrt(6 / fan_in), math.sqrt(6 / (fan_in + fan_out)))
    return any(
        bound * (1 - 10 / number) <= largest <= bound * (1 + _ROUNDING)
        and _is_even(weights / bound)
        for bound in bounds
    )


def _is_even(scaled: Tensor) -> bool:
    """Return whether numbers in (−1, 1) have the variance of uniform ones, 1/3, within 5 errors."""
    error = math.sqrt(4 / 45 / scaled.numel())
    return abs(float(scaled.detach().square().mean()) - 1 / 3) < 5 * error


@torch.no_grad()
def fresh_layers(network: nn.Module, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the named parameters that are still as some initialisation made them."""
    known = dict(network.named_parameters())
    return tuple(name for name in names if name in known and is_fresh(known[name].float()))
