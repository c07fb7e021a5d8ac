"""Sizes along one axis: what padding is called, what a window leaves, what a stride loses.

Everything here is about one axis; the axes of a picture do not know of each other. A kernel of k
taps with dilation d reaches over its extent  e = d (k - 1) + 1.

name     padding before, after                  output (stride 1)
narrow   0, 0                                   n - e + 1          also called valid
equal    floor((e - 1) / 2), ceil((e - 1) / 2)  n                  also called same
wide     e - 1, e - 1                           n + e - 1          also called full

With a stride s "equal" leaves ceil(n / s), as TensorFlow's "same" does, but it pads as for stride
1, and TensorFlow only what the last window needs: the pixels that are read differ.

Sources: dumoulin2016guide (arithmetic), araujo2019computing (extent).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from hubel.errors import UsageError, look_up

PaddingName: TypeAlias = Literal["narrow", "equal", "wide"]
Padding: TypeAlias = PaddingName | int
"""A name of the table, or the number of zeros on either side."""


def extent(kernel: int, dilation: int = 1) -> int:
    """Return over how many values a kernel reaches: d (k - 1) + 1."""
    for name, value in (("kernel", kernel), ("dilation", dilation)):
        _at_least(name, value, 1)
    return dilation * (kernel - 1) + 1


def padding_amounts(padding: Padding, kernel: int, dilation: int = 1) -> tuple[int, int]:
    """Return the zeros before and after an axis.

    With "equal" and an even extent one side needs a zero more; the side after has it, as in
    torch's padding="same".
    Errors: UsageError for another name, and for negative padding.
    """
    missing = extent(kernel, dilation) - 1
    if isinstance(padding, int):
        _at_least("padding", padding, 0)
        return padding, padding
    half = missing // 2
    amounts = {"narrow": (0, 0), "equal": (half, missing - half), "wide": (missing, missing)}
    return look_up(amounts, padding, "padding")


def least_size(kernel: int, *, padding: Padding = "narrow", dilation: int = 1) -> int:
    """Return the least input that gives an output: max(1, e - padding before and after)."""
    return max(1, extent(kernel, dilation) - sum(padding_amounts(padding, kernel, dilation)))


def output_size(
    size: int, kernel: int, *, padding: Padding = "narrow", stride: int = 1, dilation: int = 1
) -> int:
    """Return the size after a convolution or a pooling.

    o = floor((n + before + after - e) / s) + 1.
    Errors: UsageError where the input is below the least size.
    """
    return _room(size, kernel, padding, stride, dilation) // stride + 1


def lost(
    size: int, kernel: int, *, padding: Padding = "narrow", stride: int = 1, dilation: int = 1
) -> int:
    """Return how many values at the far end lie behind the last window.

    The stride leaves  r = (n + before + after - e) mod s  padded values unread there; zeros go
    first:  lost = max(0, r - after).
    Errors: UsageError where the input is below the least size.
    """
    _, after = padding_amounts(padding, kernel, dilation)
    return max(0, _room(size, kernel, padding, stride, dilation) % stride - after)


def transposed_output_size(
    size: int,
    kernel: int,
    *,
    padding: int = 0,
    stride: int = 1,
    dilation: int = 1,
    output_padding: int = 0,
) -> int:
    """Return the size after a transposed convolution (torch's nn.ConvTranspose1d to 3d).

    n = (o - 1) s - 2 p + e + output_padding: all inputs of 0 <= output_padding < s give the same o
    under the convolution that is transposed, and output_padding says which of them is meant.
    Errors: UsageError where nothing is left, or where output_padding is not below stride or
    dilation.
    """
    _at_least("size", size, 1)
    _at_least("stride", stride, 1)
    _at_least("padding", padding, 0)
    reach = extent(kernel, dilation)
    if not 0 <= output_padding < max(stride, dilation):
        raise UsageError(
            f"output_padding must be at least 0 and below the stride ({stride}) or the dilation "
            f"({dilation}), not {output_padding}."
        )
    result = (size - 1) * stride - 2 * padding + reach + output_padding
    if result < 1:
        raise UsageError(
            f"A transposed convolution of size {size} with kernel {kernel} and padding {padding} "
            f"leaves {result} values: take less padding or a larger input."
        )
    return result


def output_padding_for(
    target: int, kernel: int, *, padding: int = 0, stride: int = 1, dilation: int = 1
) -> int:
    """Return the output padding with which a transposed convolution gives back `target`.

    (n + 2 p - e) mod s, for the n values that the convolution with the same numbers has read.
    Errors: UsageError where `target` is below the least size of that convolution.
    """
    return _room(target, kernel, padding, stride, dilation) % stride


def _room(size: int, kernel: int, padding: Padding, stride: int, dilation: int) -> int:
    """Return how far the window can move: n + before + after - e."""
    _at_least("stride", stride, 1)
    least = least_size(kernel, padding=padding, dilation=dilation)
    if size < least:
        raise UsageError(
            f"A kernel of {kernel} with dilation {dilation} and padding {padding} needs at least "
            f"{least} values an axis, not {size}: take a larger input, a smaller kernel or more "
            "padding."
        )
    return size + sum(padding_amounts(padding, kernel, dilation)) - extent(kernel, dilation)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"{name} must be at least {least}, not {value}.")
