"""Sizes against counting: a window is moved step by step, and what it reads is written down."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.sizes import (
    extent,
    least_size,
    lost,
    output_padding_for,
    output_size,
    padding_amounts,
    transposed_output_size,
)

SIZES = st.integers(1, 30)
KERNELS = st.integers(1, 7)
STRIDES = st.integers(1, 5)
DILATIONS = st.integers(1, 3)
NAMES = st.sampled_from(["narrow", "equal", "wide"])
PADDINGS = NAMES | st.integers(0, 5)


def windows(size, kernel, padding, stride, dilation):
    """Return what each window reads: positions in the input, which begin at 0."""
    before, after = padding_amounts(padding, kernel, dilation)
    found, start = [], -before
    while start + dilation * (kernel - 1) < size + after:
        found.append([start + dilation * tap for tap in range(kernel)])
        start += stride
    return found


@given(SIZES, KERNELS, PADDINGS, STRIDES, DILATIONS)
def test_output_and_loss_are_what_counting_finds(size, kernel, padding, stride, dilation):
    found = windows(size, kernel, padding, stride, dilation)
    numbers = {"padding": padding, "stride": stride, "dilation": dilation}
    if not found:
        with pytest.raises(UsageError, match=f"needs at least .* values an axis, not {size}"):
            output_size(size, kernel, **numbers)
        assert size < least_size(kernel, padding=padding, dilation=dilation)
        return
    assert size >= least_size(kernel, padding=padding, dilation=dilation)
    assert output_size(size, kernel, **numbers) == len(found)
    assert lost(size, kernel, **numbers) == max(0, size - 1 - max(found[-1]))


@given(SIZES, KERNELS, DILATIONS)
def test_names_keep_their_word(size, kernel, dilation):
    reach = extent(kernel, dilation)
    assert output_size(size, kernel, padding="equal", dilation=dilation) == size
    assert output_size(size, kernel, padding="wide", dilation=dilation) == size + reach - 1
    if size >= reach:
        assert output_size(size, kernel, dilation=dilation) == size - reach + 1


@given(SIZES, KERNELS, STRIDES)
def test_equal_padding_with_a_stride_rounds_up(size, kernel, stride):
    assert output_size(size, kernel, padding="equal", stride=stride) == -(-size // stride)


@given(SIZES, KERNELS, st.integers(0, 5), STRIDES, DILATIONS)
def test_output_is_that_of_torch(size, kernel, padding, stride, dilation):
    assume(size >= least_size(kernel, padding=padding, dilation=dilation))
    inputs, weight = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    expected = F.conv1d(inputs, weight, None, stride, padding, dilation).shape[2]
    given_numbers = {"padding": padding, "stride": stride, "dilation": dilation}
    assert output_size(size, kernel, **given_numbers) == expected


@given(SIZES, KERNELS, st.integers(0, 5), STRIDES, DILATIONS)
def test_transposed_size_gives_back_what_was_convolved(size, kernel, padding, stride, dilation):
    assume(size >= least_size(kernel, padding=padding, dilation=dilation))
    numbers = {"padding": padding, "stride": stride, "dilation": dilation}
    small = output_size(size, kernel, **numbers)
    extra = output_padding_for(size, kernel, **numbers)
    assert transposed_output_size(small, kernel, output_padding=extra, **numbers) == size
    layer = nn.ConvTranspose1d(1, 1, kernel, output_padding=extra, **numbers)
    assert layer(torch.zeros(1, 1, small)).shape[2] == size


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    ("kernel", "expected"), [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 2))]
)
def test_the_side_after_gets_the_odd_zero(kernel, expected):
    assert padding_amounts("equal", kernel) == expected
    inputs, weight = torch.arange(5.0)[None, None], torch.rand(1, 1, kernel)
    padded = F.conv1d(F.pad(inputs, expected), weight)
    torch.testing.assert_close(F.conv1d(inputs, weight, padding="same"), padded)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: padding_amounts("same", 3), "There is no padding 'same'.*equal, narrow, wide"),
        (lambda: padding_amounts(-1, 3), "padding must be at least 0, not -1"),
        (lambda: extent(0), "kernel must be at least 1, not 0"),
        (lambda: extent(3, 0), "dilation must be at least 1, not 0"),
        (lambda: output_size(5, 3, stride=0), "stride must be at least 1, not 0"),
        (lambda: output_size(4, 3, dilation=2), "kernel of 3 .* needs at least 5 .* not 4"),
        (lambda: transposed_output_size(2, 3, stride=2, output_padding=2), "below the stride"),
        (lambda: transposed_output_size(2, 3, output_padding=-1), "output_padding must be"),
        (lambda: transposed_output_size(1, 3, padding=2), "leaves -1 values"),
        (lambda: transposed_output_size(0, 3), "size must be at least 1, not 0"),
        (lambda: output_padding_for(1, 3), "needs at least 3 values"),
    ],
)
def test_what_does_not_fit_is_said(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
