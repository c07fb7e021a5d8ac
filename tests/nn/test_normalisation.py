"""Local response normalisation against the paper's sum, written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hubel.errors import UsageError
from hubel.nn.normalisation import LocalResponseNormalisation


@given(st.integers(1, 8), st.sampled_from([1, 3, 5, 7]), st.floats(1e-4, 2), st.floats(0.1, 2))
@settings(max_examples=30, deadline=None)
def test_formula_of_the_paper(maps, size, alpha, beta):
    a = torch.randn(1, maps, 2, 2, dtype=torch.float64)
    expected = torch.empty_like(a)
    for i in range(maps):
        first, last = max(0, i - size // 2), min(maps - 1, i + size // 2)
        energy = sum(a[:, j] ** 2 for j in range(first, last + 1))
        expected[:, i] = a[:, i] / (2 + alpha * energy) ** beta
    layer = LocalResponseNormalisation(size, alpha=alpha, beta=beta)
    torch.testing.assert_close(layer(a), expected)


def test_defaults_are_the_papers_and_torchs_alpha_is_five_times_weaker():
    a = 20 * torch.randn(1, 96, 3, 3, dtype=torch.float64)
    ours = LocalResponseNormalisation()
    assert (ours.size, ours.alpha, ours.beta, ours.k) == (5, 1e-4, 0.75, 2.0)
    torch.testing.assert_close(ours(a), nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)(a))
    assert (ours(a).abs() < nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)(a).abs()).all()


def test_it_prints_its_numbers():
    expected = "LocalResponseNormalisation(size=5, alpha=0.0001, beta=0.75, k=2.0)"
    assert repr(LocalResponseNormalisation()) == expected


@pytest.mark.parametrize("size", [0, 4, -1])
def test_an_even_window_is_refused(size):
    with pytest.raises(UsageError, match=f"odd number of adjacent maps, not {size}"):
        LocalResponseNormalisation(size)
