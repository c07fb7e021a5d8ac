"""A convolution written out as the sparse fully-connected layer that it is.

vec(conv(x)) = C vec(x) + b, where vec flattens (channels, *axes). Row i of C holds the weights of
neuron i at the inputs that it sees, and nothing elsewhere: that is local connection. The same
weights stand in every row of one output map: that is weight sharing. The number of stored entries
is the number of connections. The transposed convolution with the same numbers is C^T. This is for
study: ONNX has no sparse matrix product, and the convolution itself is faster.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.convolution import Convolution
from hubel.nn.sizes import output_size, padding_amounts

AnyConvolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | Convolution


class FullyConnected(NamedTuple):
    """A convolution as matrix and bias: vec(y) = matrix vec(x) + bias."""

    matrix: Tensor
    """Sparse COO, coalesced, (outputs * positions, inputs * input positions)."""
    bias: Tensor
    """(outputs * positions,); zeros where the convolution has no bias."""


class _Axis(NamedTuple):
    """The connections along one axis: which output reads which input through which tap."""

    outputs: int
    positions: Tensor
    taps: Tensor
    sources: Tensor


def as_matrix(convolution: nn.Module, input_shape: tuple[int, ...]) -> FullyConnected:
    """Return the sparse matrix and the bias of a convolution on inputs of one shape.

    `input_shape` is (inputs, *axes), without the batch. Stride, padding (torch's modes included),
    dilation, groups and flip are all in the matrix; gradients flow to the weights. Equal to the
    convolution up to the order of summation, so exactly equal on integers. It stores
    outputs * positions * inputs / groups * taps weights with two 64-bit indices each.
    Errors: UsageError for a module of another kind than torch's three convolutions and hubel's, for
    another shape, or one on which the kernel finds no room. Source: dumoulin2016guide.
    """
    if not isinstance(convolution, AnyConvolution):
        raise UsageError(
            "Only nn.Conv1d to nn.Conv3d and hubel's Convolution can be written out as a matrix, "
            f"not {type(convolution).__name__}; a transposed convolution is the transpose of one."
        )
    weight = convolution.weight
    outputs, in_group, *taps = weight.shape
    inputs, *sizes = input_shape
    if len(sizes) != len(taps) or inputs != in_group * convolution.groups:
        raise UsageError(
            f"The convolution takes ({in_group * convolution.groups}, "
            f"{', '.join('*' * len(taps))}), not {input_shape}: give the shape of one input, "
            "channels first and without the batch."
        )
    if isinstance(convolution, Convolution) and convolution.flip:
        weight = weight.flip(tuple(range(2, weight.ndim)))
    axes = [_connections(convolution, axis, size) for axis, size in enumerate(sizes)]
    positions, used, sources = _combined(axes, taps, sizes)
    cells = math.prod(axis.outputs for axis in axes)
    maps = torch.arange(outputs, device=weight.device)
    first = maps // (outputs // convolution.groups) * in_group
    channels = first[:, None] + torch.arange(in_group, device=weight.device)
    rows = (maps[:, None, None] * cells + positions).expand(-1, in_group, -1)
    columns = channels[:, :, None] * math.prod(sizes) + sources
    matrix = torch.sparse_coo_tensor(
        torch.stack([rows.flatten(), columns.flatten()]),
        weight.flatten(2)[:, :, used].flatten(),
        (outputs * cells, inputs * math.prod(sizes)),
        check_invariants=False,  # Said, as torch warns where nothing is said.
    ).coalesce()
    bias = weight.new_zeros(outputs) if convolution.bias is None else convolution.bias
    return FullyConnected(matrix, bias.repeat_interleave(cells))


def _connections(convolution: AnyConvolution, axis: int, size: int) -> _Axis:
    """Return the connections along one axis; those that end in zero padding are left out."""
    kernel = convolution.weight.shape[2 + axis]
    stride, dilation = convolution.stride[axis], convolution.dilation[axis]
    if isinstance(convolution, Convolution):
        padding, mode = convolution.padding, "zeros"
        before, after = padding_amounts(padding, kernel, dilation)
    else:
        before, after = _torch_padding(convolution, axis, kernel, dilation)
        mode = convolution.padding_mode
    padded = size + before + after
    outputs = output_size(padded, kernel, stride=stride, dilation=dilation)
    device = convolution.weight.device
    places = torch.arange(size, device=device, dtype=torch.float64)[None, None]
    if mode == "zeros":
        sources = F.pad(places, (before, after), value=-1.0)
    else:
        sources = F.pad(places, (before, after), mode=mode)
    positions = torch.arange(outputs, device=device).repeat_interleave(kernel)
    taps = torch.arange(kernel, device=device).repeat(outputs)
    read = sources.flatten().long()[positions * stride + taps * dilation]
    inside = read >= 0
    return _Axis(outputs, positions[inside], taps[inside], read[inside])


def _torch_padding(
    convolution: nn.Conv1d | nn.Conv2d | nn.Conv3d, axis: int, kernel: int, dilation: int
) -> tuple[int, int]:
    """Return the padding of a torch convolution, which is numbers, "same" or "valid"."""
    match convolution.padding:
        case "same":
            return padding_amounts("equal", kernel, dilation)
        case "valid":
            return 0, 0
        case amounts:
            return int(amounts[axis]), int(amounts[axis])


def _combined(
    axes: list[_Axis], taps: list[int], sizes: list[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return position, tap and source of every connection, flattened over all axes."""
    positions, used, sources = axes[0].positions, axes[0].taps, axes[0].sources
    for axis, kernel, size in zip(axes[1:], taps[1:], sizes[1:], strict=True):
        positions = (positions[:, None] * axis.outputs + axis.positions).flatten()
        used = (used[:, None] * kernel + axis.taps).flatten()
        sources = (sources[:, None] * size + axis.sources).flatten()
    return positions, used, sources
