"""Multiply-accumulates and connections of convolutions, matrix products and attention."""

from __future__ import annotations

import math

from hubel.analysis.sizes import Sizes


def convolution_macs(sizes: Sizes) -> int:
    """Return positions × kernel weights: each weight is used once a position.

    A convolution of n pictures with a kernel of c_out × c_in / groups × k elements has
    n · (output positions) · (elements of the kernel); a transposed one has the input's positions.
    """
    transposed = sizes.arguments.get("transposed", False)
    shape = sizes.shape("input") if transposed else sizes.out
    weight = sizes.shape("weight")
    axes = len(weight) - 2
    pictures = shape[0] if len(shape) == axes + 2 else 1
    return pictures * math.prod(shape[-axes:]) * math.prod(weight)


def convolution_connections(sizes: Sizes) -> int:
    """Return the pairs of input and output unit that a weight joins, and one a bias.

    For each axis the pairs of an output and a tap of the kernel that lies inside the picture (not
    in the padding) are counted; their product over the axes, times the channels that are joined.
    Without padding: units · (k² maps + 1). Source: lecun1998gradient.
    """
    if not sizes.is_weight("weight"):
        return 0
    weight, inputs, outputs = sizes.shape("weight"), sizes.shape("input"), sizes.out
    axes = len(weight) - 2
    transposed = bool(sizes.arguments.get("transposed", False))
    shorter, longer = (inputs, outputs) if transposed else (outputs, inputs)
    pairs = 1
    for axis, (stride, padding, dilation) in enumerate(
        zip(
            sizes.per_axis("stride", axes, 1),
            sizes.per_axis("padding", axes, 0),
            sizes.per_axis("dilation", axes, 1),
            strict=True,
        )
    ):
        pairs *= pairs_inside(
            shorter[axis - axes], longer[axis - axes], weight[axis + 2], stride, padding, dilation
        )
    pictures = outputs[0] if len(outputs) == axes + 2 else 1
    biases = math.prod(outputs) if sizes.is_given("bias") else 0
    return pictures * pairs * weight[0] * weight[1] + biases


def pairs_inside(
    units: int, extent: int, kernel: int, stride: int, padding: int, dilation: int
) -> int:
    """Return how many pairs of a unit and a tap of its kernel lie inside an axis of `extent`.

    Unit u and tap t meet the place u · stride − padding + t · dilation.

    >>> pairs_inside(28, 32, 5, 1, 0, 1), pairs_inside(4, 4, 3, 1, 1, 1)
    (140, 10)
    """
    pairs = 0
    for tap in range(kernel):
        offset = tap * dilation - padding
        first = max(0, -(offset // stride))
        last = min(units - 1, (extent - 1 - offset) // stride)
        pairs += max(0, last - first + 1)
    return pairs


def deformable_macs(sizes: Sizes) -> int:
    """Return those of the convolution of the sampled values."""
    weight, out = sizes.shape("weight"), sizes.out
    return out[0] * math.prod(out[2:]) * math.prod(weight)


def deformable_flops(sizes: Sizes) -> int:
    """Return the bilinear sampling: 4 products and 3 sums a tap and channel, 1 for a mask."""
    weight, out, channels = sizes.shape("weight"), sizes.out, sizes.shape("input")[1]
    taps = out[0] * math.prod(out[2:]) * channels * math.prod(weight[2:])
    return taps * (7 + bool(sizes.arguments.get("use_mask")))


def matrix_macs(sizes: Sizes) -> int:
    """Return those of a product of two matrices, or of two stacks of them."""
    left, right = _factors(sizes)
    return math.prod(left) * right[-1]


def matrix_connections(sizes: Sizes) -> int:
    """Return n · in · out of a product with a weight, and n · out of its bias; else 0."""
    names = _names(sizes)
    if not any(sizes.is_weight(name) for name in names):
        return 0
    bias = "self" not in names and sizes.is_weight("self")
    return matrix_macs(sizes) + (sizes.elements_out if bias else 0)


def vector_macs(sizes: Sizes) -> int:
    """Return those of a matrix times a vector, or of two vectors."""
    return max(math.prod(shape) for shape in _factors(sizes))


def attention_macs(sizes: Sizes) -> int:
    """Return those of queries times keys and of the weights times the values.

    n · heads · l · s · (e + e_v) for l queries and s keys of width e, values of width e_v.
    """
    query, key, value = (sizes.shape(name) for name in ("query", "key", "value"))
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def attention_flops(sizes: Sizes) -> int:
    """Return scaling (1), softmax (5) and, where there is one, adding the mask (1) per weight."""
    weights = math.prod(sizes.shape("query")[:-1]) * sizes.shape("key")[-2]
    masked = sizes.is_given("attn_mask") or sizes.is_given("attn_bias")
    return weights * (6 + masked)


def _names(sizes: Sizes) -> tuple[str, str]:
    """Return the names of the two factors of a product."""
    for names in _FACTORS:
        if all(name in sizes.arguments for name in names):
            return names
    raise AssertionError(sizes.operation.operator)


def _factors(sizes: Sizes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    left, right = _names(sizes)
    return sizes.shape(left), sizes.shape(right)


_FACTORS = (
    ("mat1", "mat2"),
    ("batch1", "batch2"),
    ("mat", "vec"),
    ("self", "mat2"),
    ("self", "vec"),
    ("self", "tensor"),
)
