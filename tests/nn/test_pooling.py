"""Pooling, its way back, and resizing, against loops and against torch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hubel.errors import UsageError
from hubel.nn.pooling import (
    GlobalPooling,
    MaxPoolingWithPlaces,
    MaxUnpooling,
    Resize,
    l2_pooling,
    overlapping_max_pooling,
)

quick = settings(max_examples=30, deadline=None)


def test_overlapping_windows_are_alexnets():
    pool = overlapping_max_pooling()
    assert (pool.kernel_size, pool.stride) == (3, 2)
    assert pool(torch.zeros(1, 1, 55, 55)).shape[2:] == (27, 27)


@pytest.mark.parametrize("stride", [0, 3, 4])
def test_windows_that_do_not_overlap_are_refused(stride):
    with pytest.raises(UsageError, match=f"stride from 1 to 2, not {stride}"):
        overlapping_max_pooling(3, stride)


def test_l2_is_the_norm_of_each_window_whatever_the_sign():
    x = torch.randn(1, 2, 5, 7, dtype=torch.float64)
    windows = x.unfold(2, 3, 2).unfold(3, 3, 2)
    torch.testing.assert_close(l2_pooling(3, 2)(x), torch.linalg.vector_norm(windows, dim=(4, 5)))
    assert l2_pooling()(x).shape[2:] == (2, 3)


def test_l2_has_no_gradient_in_a_window_of_zeros():
    x = torch.zeros(1, 1, 2, 4)
    x[..., 2:] = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    x.requires_grad_()
    l2_pooling()(x).sum().backward()
    expected = [[0.0, 0.0, 0.6, 0.0], [0.0, 0.0, 0.0, 0.8]]
    torch.testing.assert_close(x.grad[0, 0], torch.tensor(expected))


def test_torchs_ceil_mode_is_no_norm_at_the_border():
    """Why l2_pooling does not offer it: a window of one value 1 gives 2 there."""
    assert nn.LPPool2d(2, 2, ceil_mode=True)(torch.ones(1, 1, 3, 3))[0, 0, 1, 1] == 2


def test_global_pooling_is_one_number_a_map():
    x = torch.tensor([[[[3.0, -4.0], [0.0, 0.0]]]])
    for kind, expected in (("max", 3.0), ("mean", -0.25), ("l2", 5.0)):
        assert GlobalPooling(kind)(x).tolist() == [[expected]]


@pytest.mark.parametrize(("kind", "expected"), [("max", [0.5, 0.5]), ("l2", [0.0, 0.0])])
def test_gradient_of_global_pooling_at_its_corner(kind, expected):
    x = torch.zeros(1, 1, 2, requires_grad=True)
    GlobalPooling(kind)(x).sum().backward()
    assert x.grad.flatten().tolist() == expected


def test_another_kind_is_refused():
    with pytest.raises(UsageError, match="no global pooling 'median'.*l2, max, mean"):
        GlobalPooling("median")


@given(st.lists(st.integers(4, 7), min_size=1, max_size=3), st.integers(1, 4), st.integers(1, 3))
@quick
def test_unpooling_is_the_transpose_of_pooling(axes, kernel, stride):
    """<pool'(x) v, y> = <v, unpool(y)>: with the error in its place it is back-propagation."""
    x = torch.randn(2, 2, *axes, dtype=torch.float64, requires_grad=True)
    pooled = MaxPoolingWithPlaces(kernel, stride)(x)
    error = torch.randn_like(pooled.values)
    (expected,) = torch.autograd.grad(pooled.values, x, error)
    torch.testing.assert_close(MaxUnpooling()(pooled._replace(values=error)), expected)


@given(st.integers(2, 9), st.integers(2, 9), st.integers(2, 3))
@quick
def test_without_overlap_it_is_torchs_with_the_output_size(height, width, kernel):
    x = torch.randn(1, 2, height + kernel, width + kernel)
    values, places = nn.MaxPool2d(kernel, return_indices=True)(x)
    expected = nn.MaxUnpool2d(kernel)(values, places, output_size=x.shape)
    assert torch.equal(MaxUnpooling()(MaxPoolingWithPlaces(kernel)(x)), expected)


def test_odd_sizes_come_back():
    x = torch.arange(1.0, 26.0).reshape(1, 1, 5, 5)
    back = MaxUnpooling()(MaxPoolingWithPlaces()(x))
    expected = torch.zeros(5, 5)
    for place in (7, 9, 17, 19):
        expected.view(-1)[place - 1] = place
    assert torch.equal(back[0, 0], expected)


def test_of_equal_maxima_the_first_is_kept():
    assert MaxPoolingWithPlaces()(torch.zeros(1, 1, 4, 4)).places.flatten().tolist() == [
        0,
        2,
        8,
        10,
    ]


def test_too_many_axes_are_refused():
    with pytest.raises(UsageError, match="with 1 to 3 axes, not 4"):
        MaxPoolingWithPlaces()(torch.zeros(1, 1, 2, 2, 2, 2))


@given(st.integers(1, 6), st.integers(1, 9))
@quick
def test_resize_reads_at_the_centres_of_pixels(size, target):
    x = torch.randn(1, 1, size, 1, dtype=torch.float64)
    nearest = Resize((target, 1), mode="nearest")(x).flatten()
    bilinear = Resize((target, 1))(x).flatten()
    line = x.flatten()
    for i in range(target):
        at = (i + 0.5) * size / target - 0.5
        low = min(max(at, 0), size - 1)
        left, share = int(low), low - int(low)
        right = min(left + 1, size - 1)
        torch.testing.assert_close(bilinear[i], (1 - share) * line[left] + share * line[right])
        if abs(at - int(at) - 0.5) > 1e-6:
            assert nearest[i] == line[min(max(round(at), 0), size - 1)]


def test_resize_by_a_scale_rounds_down():
    assert Resize(scale=0.5)(torch.zeros(1, 1, 5, 4)).shape == (1, 1, 2, 2)
    assert Resize(3)(torch.zeros(1, 1, 5, 4)).shape == (1, 1, 3, 3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (Resize, "either a size or a scale"),
        (lambda: Resize(2, scale=2.0), "either a size or a scale"),
        (lambda: Resize(scale=0.0), "must be positive, not 0.0"),
        (lambda: Resize(2, mode="cubic"), "There is no mode 'cubic'.*bilinear, nearest"),
        (lambda: Resize((1, 2, 3)), "size needs one number or 2"),
    ],
)
def test_what_does_not_fit_is_said(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
