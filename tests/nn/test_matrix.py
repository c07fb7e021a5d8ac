"""The matrix is the convolution, entry by entry counted and number by number equal."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hubel.errors import UsageError
from hubel.nn.convolution import Convolution
from hubel.nn.matrix import as_matrix

MAKE = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def whole_(layer):
    """Give the layer whole numbers, so that sums have no rounding."""
    layer = layer.double()
    for parameter in layer.parameters():
        parameter.data = torch.randint(-9, 10, parameter.shape).double()
    return layer


def assert_equal(layer, shape):
    matrix, bias = as_matrix(layer, shape)
    x = torch.randint(-9, 10, (3, *shape)).double()
    expected = layer(x).flatten(1)
    assert torch.equal((matrix @ x.flatten(1).T).T + bias, expected)
    return matrix


@st.composite
def layers(draw):
    axes = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 2))
    number = [draw(st.integers(1, 3)) for _ in range(4)]
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    layer = MAKE[axes](
        groups * number[0],
        groups * number[1],
        kernel,
        stride=number[2],
        padding=tuple(draw(st.integers(0, 2)) for _ in range(axes)),
        dilation=draw(st.integers(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"])),
    )
    return layer, (groups * number[0], *(draw(st.integers(5, 6)) for _ in range(axes)))


@given(layers(), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_matrix_is_the_convolution(case, seed):
    torch.manual_seed(seed)
    assert_equal(whole_(case[0]), case[1])


@pytest.mark.parametrize("padding", ["narrow", "equal", "wide", 1])
@pytest.mark.parametrize("flip", [False, True])
def test_matrix_of_named_padding_and_flip(padding, flip):
    torch.manual_seed(0)
    layer = whole_(Convolution(2, 4, (2, 3), padding=padding, stride=(2, 1), groups=2, flip=flip))
    assert_equal(layer, (2, 5, 4))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_matrix_of_torchs_named_padding(padding):
    assert_equal(whole_(nn.Conv2d(1, 2, (4, 3), padding=padding, dilation=(1, 2))), (1, 6, 6))


def test_entries_are_connections():
    """LeNet-5's C1: 28 x 28 neurons in 6 maps, each with 25 weights and a bias: 122,304."""
    matrix, bias = as_matrix(nn.Conv2d(1, 6, 5), (1, 32, 32))
    assert matrix._nnz() + len(bias) == 122_304
    assert matrix.is_coalesced()
    rows = torch.bincount(matrix.indices()[0])
    assert rows.unique().tolist() == [25]


def test_zero_padding_is_not_connected():
    matrix, _ = as_matrix(nn.Conv1d(1, 1, 3, padding=1, bias=False), (1, 4))
    assert torch.bincount(matrix.indices()[0]).tolist() == [2, 3, 3, 2]


def test_transposed_convolution_is_the_transposed_matrix():
    torch.manual_seed(0)
    layer = whole_(nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False))
    back = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1, bias=False).double()
    back.weight = layer.weight
    matrix, _ = as_matrix(layer, (2, 6, 6))
    y = torch.randint(-9, 10, (1, 3, 3, 3)).double()
    assert torch.equal(matrix.T @ y.flatten(), back(y).flatten())


def test_gradient_flows_to_the_weights():
    torch.manual_seed(0)
    layer = whole_(Convolution(2, 2, (3, 2), flip=True))
    x, upstream = torch.randn(1, 2, 4, 4).double(), torch.randn(2 * 16).double()
    matrix, bias = as_matrix(layer, (2, 4, 4))
    written = torch.autograd.grad((matrix @ x.flatten() + bias) @ upstream, layer.parameters())
    direct = torch.autograd.grad(layer(x).flatten() @ upstream, layer.parameters())
    torch.testing.assert_close(written, direct)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8), (1, 2, 8, 8)])
def test_another_shape_is_said(shape):
    with pytest.raises(UsageError, match="The convolution takes .* channels first"):
        as_matrix(nn.Conv2d(2, 1, 3), shape)


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(1, 1, 3), nn.Linear(2, 2)])
def test_another_module_is_said(layer):
    with pytest.raises(UsageError, match=f"not {type(layer).__name__}; a transposed convolution"):
        as_matrix(layer, (1, 4, 4))


def test_a_kernel_without_room_is_said():
    with pytest.raises(UsageError, match="needs at least 3 values"):
        as_matrix(nn.Conv1d(1, 1, 3), (1, 2))
