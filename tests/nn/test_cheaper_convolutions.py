"""Separable and deformable convolutions: their identities and their counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hubel.nn.convolution import cross_correlation
from hubel.nn.deformable import DeformableConvolution
from hubel.nn.separable import DepthwiseSeparableConvolution, SpatiallySeparableConvolution


def weights(layer: nn.Module) -> int:
    return sum(value.numel() for value in layer.parameters())


@pytest.mark.parametrize(("inputs", "outputs", "kernel"), [(8, 16, 3), (4, 6, 5)])
def test_depthwise_separable_has_the_papers_share_of_weights(inputs, outputs, kernel):
    layer = DepthwiseSeparableConvolution(inputs, outputs, kernel, bias=False)
    standard = nn.Conv2d(inputs, outputs, kernel, bias=False)
    share = 1 / outputs + 1 / kernel**2
    assert weights(layer) == pytest.approx(share * weights(standard), rel=1e-12)


def test_depthwise_separable_is_one_convolution_of_low_rank():
    layer = DepthwiseSeparableConvolution(3, 4, 3, dilation=2).double()
    depthwise, pointwise = layer.depthwise.weight, layer.pointwise.weight[:, :, 0, 0]
    kernel = torch.einsum("oc,chw->ochw", pointwise, depthwise[:, 0])
    x = torch.randn(1, 3, 6, 7, dtype=torch.float64)
    expected = F.conv2d(x, kernel, layer.pointwise.bias, padding=2, dilation=2)
    torch.testing.assert_close(layer(x), expected)


def test_spatially_separable_is_the_convolution_with_the_outer_product():
    layer = SpatiallySeparableConvolution(1, 1, 5, stride=2, bias=False).double()
    kernel = layer.column.weight @ layer.row.weight
    x = torch.randn(1, 1, 7, 8, dtype=torch.float64)
    expected = cross_correlation(x, kernel, padding="equal", stride=2)
    torch.testing.assert_close(layer(x), expected)


def test_spatially_separable_counts():
    assert weights(SpatiallySeparableConvolution(3, 8, 7, bias=False)) == 7 * 8 * (3 + 8)
    assert weights(SpatiallySeparableConvolution(3, 8, 7, between=2)) == 7 * 2 * (3 + 8) + 8


@pytest.mark.parametrize(("modulated", "share"), [(False, 1.0), (True, 0.5)])
def test_new_deformable_layer_is_the_plain_convolution_or_half_of_it(modulated, share):
    layer = DeformableConvolution(
        4, 6, 3, stride=2, dilation=2, groups=2, bias=False, modulated=modulated
    ).double()
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    plain = F.conv2d(x, layer.convolution.weight, None, 2, 2, 2, groups=2)
    torch.testing.assert_close(layer(x), share * plain)


def test_offsets_move_the_taps():
    """The same offset (1, 2) for each tap reads the picture shifted by one down, two right."""
    layer = DeformableConvolution(1, 1, 3, bias=False).double()
    layer.branch.bias.data[0::2] = 1.0
    layer.branch.bias.data[1::2] = 2.0
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    moved = F.pad(x, (0, 2, 0, 1))[:, :, 1:, 2:]
    expected = F.conv2d(moved, layer.convolution.weight, padding=1)
    torch.testing.assert_close(layer(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_offsets_between_pixels_are_bilinear():
    layer = DeformableConvolution(1, 1, 1, bias=False).double()
    layer.branch.bias.data[:] = torch.tensor([0.25, 0.5])
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    weight = layer.convolution.weight.item()
    top = (x[0, 0, 1, 1] + x[0, 0, 1, 2]) / 2
    bottom = (x[0, 0, 2, 1] + x[0, 0, 2, 2]) / 2
    torch.testing.assert_close(layer(x)[0, 0, 1, 1], weight * (0.75 * top + 0.25 * bottom))
