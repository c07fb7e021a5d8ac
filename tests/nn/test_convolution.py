"""Both convolutions against scipy's, their identities, and the module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.convolution import Convolution, cross_correlation, each_axis, true_convolution

AXES = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=3)
SEEDS = st.integers(0, 2**20)
quick = settings(max_examples=40, deadline=None)


def whole(shape, seed):
    """Return whole numbers in float64: sums of their products have no rounding."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-9, 10, tuple(shape), generator=generator).double()


def one(x):
    """Return one picture of one map."""
    return x[None, None]


@given(AXES, SEEDS)
@quick
def test_wide_is_full_in_scipy(axes, seed):
    x, w = whole([n for n, _ in axes], seed), whole([k for _, k in axes], seed + 1)
    convolved = true_convolution(one(x), one(w), padding="wide")[0, 0]
    np.testing.assert_array_equal(convolved, signal.convolve(x, w, "full", "direct"))
    correlated = cross_correlation(one(x), one(w), padding="wide")[0, 0]
    np.testing.assert_array_equal(correlated, signal.correlate(x, w, "full", "direct"))


@given(AXES, SEEDS)
@quick
def test_narrow_is_valid_in_scipy(axes, seed):
    x = whole([n + k for n, k in axes], seed)
    w = whole([k for _, k in axes], seed + 1)
    convolved = true_convolution(one(x), one(w))[0, 0]
    np.testing.assert_array_equal(convolved, signal.convolve(x, w, "valid", "direct"))
    correlated = cross_correlation(one(x), one(w))[0, 0]
    np.testing.assert_array_equal(correlated, signal.correlate(x, w, "valid", "direct"))


@given(st.integers(1, 8), st.sampled_from([1, 3, 5]), SEEDS)
@quick
def test_equal_with_an_odd_kernel_is_same_in_scipy(size, kernel, seed):
    x, w = whole([size + kernel], seed), whole([kernel], seed + 1)
    convolved = true_convolution(one(x), one(w), padding="equal")[0, 0]
    np.testing.assert_array_equal(convolved, signal.convolve(x, w, "same", "direct"))


@given(AXES, SEEDS)
@quick
def test_wide_true_convolution_is_commutative_and_associative(axes, seed):
    x, w = whole([n for n, _ in axes], seed), whole([k for _, k in axes], seed + 1)
    v = whole([k for _, k in axes], seed + 2)

    def star(a, b):
        return true_convolution(one(a), one(b), padding="wide")[0, 0]

    assert torch.equal(star(x, w), star(w, x))
    assert torch.equal(star(star(x, w), v), star(x, star(w, v)))


@given(AXES, SEEDS)
@quick
def test_a_turned_kernel_makes_one_of_the_other(axes, seed):
    x, w = whole([n for n, _ in axes], seed), whole([k for _, k in axes], seed + 1)
    turned = w.flip(tuple(range(w.ndim)))
    expected = cross_correlation(one(x), one(turned), padding="equal")
    assert torch.equal(true_convolution(one(x), one(w), padding="equal"), expected)


def test_formula_term_by_term():
    x, w, b = whole((1, 4, 9), 1), whole((4, 2, 3), 2), whole((4,), 3)
    stride, dilation, before = 2, 2, 2
    expected = torch.zeros(2, 4, 5, dtype=torch.float64)
    for o in range(4):
        for t in range(5):
            for c in range(2):
                for u in range(3):
                    seen = stride * t + dilation * u - before
                    if 0 <= seen < 9:
                        value = x[0, (o // 2) * 2 + c, seen]
                        expected[0, o, t] += w[o, c, u] * value
                        expected[1, o, t] += w[o, c, 2 - u] * value
    expected += b[:, None]
    numbers = {"padding": "equal", "stride": stride, "dilation": dilation, "groups": 2}
    assert torch.equal(cross_correlation(x, w, b, **numbers)[0], expected[0])
    assert torch.equal(true_convolution(x, w, b, **numbers)[0], expected[1])


@pytest.mark.parametrize(("axes", "make"), [(1, nn.Conv1d), (2, nn.Conv2d), (3, nn.Conv3d)])
def test_module_is_torchs_with_its_weights(axes, make):
    torch.manual_seed(0)
    ours = Convolution(4, 6, (3, 2, 4)[:axes], dilation=2, groups=2)
    theirs = make(4, 6, (3, 2, 4)[:axes], padding="same", dilation=2, groups=2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, *(7, 8, 9)[:axes])
    torch.testing.assert_close(ours(x), theirs(x))


def test_weights_are_drawn_as_torch_draws_them():
    torch.manual_seed(0)
    layer = Convolution(8, 200, (5,), groups=2)
    bound = (4 * 5) ** -0.5
    assert 0.95 * bound < layer.weight.abs().max() <= bound
    assert 0.95 * bound < layer.bias.abs().max() <= bound
    assert abs(layer.weight.std() - bound / 3**0.5) < 0.05 * bound


def test_flipped_module_is_a_true_convolution():
    layer = Convolution(1, 1, (3,), padding="wide", bias=False, flip=True)
    x = torch.randn(1, 1, 4)
    expected = F.conv1d(x, layer.weight.flip(2), padding=2)
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: cross_correlation(torch.zeros(1, 1, 3), torch.zeros(1, 1, 3, 3)), "same one to"),
        (lambda: true_convolution(torch.zeros(1, 1), torch.zeros(1, 1)), "same one to three axes"),
        (lambda: cross_correlation(torch.zeros(1, 1, 2), torch.zeros(1, 1, 3)), "at least 3"),
        (lambda: Convolution(1, 1, ()), "one to three axes, not a kernel"),
        (lambda: Convolution(4, 6, (3,), groups=4), "4 groups must divide the 4 input and the 6"),
        (lambda: Convolution(1, 1, (3, 3), stride=(1, 1, 1)), "stride needs one number or 2"),
        (lambda: Convolution(1, 1, (3,), padding="same")(torch.zeros(1, 1, 3)), "no padding"),
        (lambda: each_axis((1, 2), 3, "dilation"), "dilation needs one number or 3"),
    ],
)
def test_what_does_not_fit_is_said(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
