"""Arithmetic of the operations that are no products: how many FLOPs, from the shapes."""

from __future__ import annotations

import math
from collections.abc import Callable

from hubel.analysis.sizes import Sizes

Formula = Callable[[Sizes], int]


def per_output(flops: int) -> Formula:
    """Return a rule of so many FLOPs per element of the output."""
    return lambda sizes: flops * sizes.elements_out


def per_input(flops: int) -> Formula:
    """Return a rule of so many FLOPs per element of the input (reductions)."""
    return lambda sizes: flops * sizes.elements_in


def gelu(sizes: Sizes) -> int:
    """Return 5 per element for x/2 (1 + erf(x/√2)), 13 for the approximation by tanh."""
    return sizes.elements_out * (13 if sizes.arguments.get("approximate") == "tanh" else 5)


def batch_norm(sizes: Sizes) -> int:
    """Return 2 per element in evaluation (one factor, one summand a channel), else 6, affine 8."""
    if sizes.arguments.get("training", sizes.operation.operator.endswith("update.default")):
        return sizes.elements_in * (8 if sizes.is_given("weight") else 6)
    return sizes.elements_in * 2


def own_statistics_norm(sizes: Sizes) -> int:
    """Return 6 per element (mean 1, variance 3, normalising 2), 8 with factors and summands."""
    return sizes.elements_in * (8 if sizes.is_given("weight") else 6)


def root_mean_square_norm(sizes: Sizes) -> int:
    """Return 3 per element (square, sum, product), 4 with factors."""
    return sizes.elements_in * (4 if sizes.is_given("weight") else 3)


def max_pool(sizes: Sizes) -> int:
    """Return the comparisons: k − 1 an output for a window of k elements."""
    return sizes.elements_out * (_window(sizes) - 1)


def average_pool(sizes: Sizes) -> int:
    """Return k an output: k − 1 sums and a division."""
    return sizes.elements_out * _window(sizes)


def adaptive_average_pool(sizes: Sizes) -> int:
    """Return one for each element of each window: k − 1 sums and a division."""
    return _adaptive_elements(sizes)


def adaptive_max_pool(sizes: Sizes) -> int:
    """Return one for each element of each window but its first."""
    return _adaptive_elements(sizes) - sizes.elements_out


def antialiased(radius: int) -> Formula:
    """Return a rule for separable resizing whose kernel widens as the picture shrinks.

    Each output of a pass sums  t = 2 · radius · max(1, in/out)  products: 2t − 1.
    """

    def flops(sizes: Sizes) -> int:
        (height, width), (rows, columns) = sizes.into[-2:], sizes.out[-2:]
        across = 2 * math.ceil(2 * radius * max(1, width / columns)) - 1
        down = 2 * math.ceil(2 * radius * max(1, height / rows)) - 1
        return math.prod(sizes.out[:-2]) * columns * (height * across + rows * down)

    return flops


def grid_sample(sizes: Sizes) -> int:
    """Return the products and sums of an output: 2 · 2^axes − 1; 0 nearest; bicubic 31."""
    axes = len(sizes.out) - 2
    each = (2 * 2**axes - 1, 0, 31)[sizes.arguments.get("interpolation_mode", 0)]
    return sizes.elements_out * each


def sorting(sizes: Sizes) -> int:
    """Return n log₂ n comparisons for each row of n elements."""
    along = sizes.into[sizes.arguments.get("dim", -1)] if sizes.into else 1
    return sizes.elements_in * math.ceil(math.log2(max(along, 2)))


def fourier(sizes: Sizes) -> int:
    """Return 5 n log₂ n for each complex transform of n elements, half of it for a real one."""
    whole = max((sizes.into, sizes.out), key=math.prod)
    length = math.prod(whole[axis] for axis in sizes.arguments["dim"])
    each = 5 if sizes.operation.kind == "_fft_c2c" else 2.5
    return round(each * math.prod(whole) * math.log2(max(length, 2)))


def distances(sizes: Sizes) -> int:
    """Return 3 for each pair and coordinate: difference, power, sum."""
    return 3 * sizes.elements_out * sizes.shape("x1")[-1]


def _window(sizes: Sizes) -> int:
    """Return the elements of a pooling window; those in the padding are counted."""
    axes = int(sizes.operation.kind.partition("pool")[2][0])
    return math.prod(sizes.per_axis("kernel_size", axes, 1))


def _adaptive_elements(sizes: Sizes) -> int:
    """Return the elements of all windows; window o of an axis is [⌊o·in/out⌋, ⌈(o+1)·in/out⌉)."""
    axes = int(sizes.operation.kind.partition("pool")[2][0])
    elements = math.prod(sizes.out[:-axes])
    for extent, units in zip(sizes.into[-axes:], sizes.out[-axes:], strict=True):
        elements *= sum(-(-(o + 1) * extent // units) - o * extent // units for o in range(units))
    return elements
