"""The words that tell a layer from others of its kind."""

import pytest
from torch import nn

import hubel


def words(layer, shape):
    """Return the details of a network's only row."""
    (row,) = hubel.check(nn.Sequential(layer), shape).layers
    return row.details


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(4, 4, 3), "3x3"),
        (nn.Conv2d(4, 4, (1, 5), stride=(1, 2)), "1x5, stride 1x2"),
        (nn.Conv2d(4, 4, 3, 2, 1), "3x3, stride 2, padding 1"),
        (nn.Conv2d(4, 4, 3, padding=(0, 1)), "3x3, padding 0x1"),
        (nn.Conv2d(4, 4, 3, dilation=2), "3x3, dilation 2"),
        (nn.Conv2d(4, 8, 3, groups=2), "3x3, 2 groups"),
        (nn.Conv2d(4, 4, 3, groups=4), "3x3, depthwise"),
        (nn.ConvTranspose2d(4, 4, 2, stride=2), "2x2, stride 2, transposed"),
        (nn.MaxPool2d(2), "2x2"),
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), "3x3, stride 2, padding 1, rounded up"),
        (nn.AvgPool2d((2, 4)), "2x4"),
        (nn.AdaptiveAvgPool2d((3, 2)), "to 3x2"),
        (nn.BatchNorm2d(4), ""),
        (nn.ReLU(), ""),
    ],
    ids=str,
)
def test_numbers_that_are_not_as_usual(layer, text):
    assert words(layer, (4, 12, 12)) == text


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv1d(4, 4, 5, stride=2), "5, stride 2"),
        (nn.MaxPool1d(4), "4"),
        (nn.AvgPool1d(3, 2, 1), "3, stride 2, padding 1"),
    ],
    ids=str,
)
def test_layers_along_one_axis_have_one_number(layer, text):
    assert words(layer, (4, 12)) == text


def test_layers_along_three_axes_have_three():
    assert words(nn.MaxPool3d((1, 2, 2)), (4, 4, 8, 8)) == "1x2x2"
