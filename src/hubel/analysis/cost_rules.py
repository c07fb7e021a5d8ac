"""The table from operation to cost rule.

A MAC is one multiply-accumulate of a convolution or matrix product: what torchvision and fvcore
call a FLOP. FLOPs are all arithmetic: two a MAC (a bias is the accumulator's first value), and for
every other operation one for each addition, multiplication, division, comparison and elementary
function (exp, log, √, erf), as the formula beside it says. Moving data costs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hubel.analysis.cost_formulas import (
    Formula,
    adaptive_average_pool,
    adaptive_max_pool,
    antialiased,
    average_pool,
    batch_norm,
    distances,
    fourier,
    gelu,
    grid_sample,
    max_pool,
    own_statistics_norm,
    per_input,
    per_output,
    root_mean_square_norm,
    sorting,
)
from hubel.analysis.products import (
    attention_flops,
    attention_macs,
    convolution_connections,
    convolution_macs,
    deformable_flops,
    deformable_macs,
    matrix_connections,
    matrix_macs,
    vector_macs,
)
from hubel.analysis.sizes import Sizes


def nothing(sizes: Sizes) -> int:  # noqa: ARG001  # has the shape of every rule
    """Return 0: no arithmetic."""
    return 0


@dataclass(frozen=True, slots=True)
class Rule:
    """How an operation is counted."""

    macs: Formula = nothing
    flops: Formula = nothing
    """Besides two a MAC."""
    connections: Formula = nothing
    views: bool = False
    """Whether it only looks at the memory of its input in another way."""


ONE: Final = Rule(flops=per_output(1))
FREE: Final = Rule()
"""Moves data, without arithmetic."""
VIEW: Final = Rule(views=True)

COST_RULES: Final[Mapping[str, Rule]] = {
    # Products
    "addmm": Rule(macs=matrix_macs, connections=matrix_connections),
    "addmv": Rule(macs=vector_macs),
    "baddbmm": Rule(macs=matrix_macs, connections=matrix_connections),
    "bmm": Rule(macs=matrix_macs, connections=matrix_connections),
    "convolution": Rule(macs=convolution_macs, connections=convolution_connections),
    "deform_conv2d": Rule(macs=deformable_macs, flops=deformable_flops),
    "dot": Rule(macs=vector_macs),
    "mm": Rule(macs=matrix_macs, connections=matrix_connections),
    "mv": Rule(macs=vector_macs),
    "scaled_dot_product_attention": Rule(macs=attention_macs, flops=attention_flops),
    # Normalisation
    "_fused_rms_norm": Rule(flops=root_mean_square_norm),
    "native_batch_norm": Rule(flops=batch_norm),
    "native_group_norm": Rule(flops=own_statistics_norm),
    "native_layer_norm": Rule(flops=own_statistics_norm),
    # Pooling
    "adaptive_avg_pool2d": Rule(flops=adaptive_average_pool),
    "adaptive_avg_pool3d": Rule(flops=adaptive_average_pool),
    "adaptive_max_pool2d": Rule(flops=adaptive_max_pool),
    "adaptive_max_pool3d": Rule(flops=adaptive_max_pool),
    "avg_pool2d": Rule(flops=average_pool),
    "avg_pool3d": Rule(flops=average_pool),
    "fractional_max_pool2d": Rule(flops=max_pool),
    "fractional_max_pool3d": Rule(flops=max_pool),
    "max_pool2d_with_indices": Rule(flops=max_pool),
    "max_pool3d_with_indices": Rule(flops=max_pool),
    # Activations
    "celu": Rule(flops=per_output(5)),  # compare, ÷, exp, −, ×
    "elu": Rule(flops=per_output(4)),  # compare, exp, −, ×
    "gelu": Rule(flops=gelu),
    "glu": Rule(flops=per_output(5)),  # σ and ×
    "hardshrink": Rule(flops=per_output(2)),  # two comparisons
    "hardsigmoid": Rule(flops=per_output(4)),  # ×, +, two comparisons
    "hardswish": Rule(flops=per_output(5)),  # hardsigmoid and ×
    "hardtanh": Rule(flops=per_output(2)),  # two comparisons; ReLU6
    "leaky_relu": Rule(flops=per_output(2)),  # compare, ×
    "log_sigmoid_forward": Rule(flops=per_output(4)),  # −, exp, +, log
    "log_softmax": Rule(flops=per_output(5)),  # compare, −, exp, +, −
    "mish": Rule(flops=per_output(9)),  # softplus 3, tanh 5, ×
    "prelu": Rule(flops=per_output(2)),
    "relu": ONE,
    "rrelu_with_noise": Rule(flops=per_output(2)),
    "sigmoid": Rule(flops=per_output(4)),  # −, exp, +, ÷
    "silu": Rule(flops=per_output(5)),  # σ and ×
    "softmax": Rule(flops=per_output(5)),  # compare, −, exp, +, ÷
    "softplus": Rule(flops=per_output(5)),  # ×, exp, +, log, ÷
    "softshrink": Rule(flops=per_output(3)),
    "tanh": Rule(flops=per_output(5)),  # ×, exp, −, +, ÷
    "threshold": ONE,
    # One a number
    "abs": ONE,
    "acos": ONE,
    "add": ONE,
    "asin": ONE,
    "atan": ONE,
    "atan2": ONE,
    "bitwise_and": ONE,
    "bitwise_not": ONE,
    "bitwise_or": ONE,
    "ceil": ONE,
    "clamp": Rule(flops=per_output(2)),
    "clamp_max": ONE,
    "clamp_min": ONE,
    "copysign": ONE,
    "cos": ONE,
    "div": ONE,
    "eq": ONE,
    "erf": ONE,
    "exp": ONE,
    "exp2": ONE,
    "expm1": ONE,
    "floor": ONE,
    "floor_divide": ONE,
    "fmax": ONE,
    "fmin": ONE,
    "fmod": ONE,
    "frac": ONE,
    "ge": ONE,
    "gt": ONE,
    "isinf": ONE,
    "isnan": ONE,
    "le": ONE,
    "log": ONE,
    "log10": ONE,
    "log1p": ONE,
    "log2": ONE,
    "logical_and": ONE,
    "logical_not": ONE,
    "logical_or": ONE,
    "lt": ONE,
    "maximum": ONE,
    "minimum": ONE,
    "mul": ONE,
    "nan_to_num": ONE,
    "ne": ONE,
    "neg": ONE,
    "pow": ONE,
    "reciprocal": ONE,
    "remainder": ONE,
    "round": ONE,
    "rsqrt": ONE,
    "rsub": ONE,
    "sgn": ONE,
    "sign": ONE,
    "sin": ONE,
    "sqrt": ONE,
    "sub": ONE,
    "tan": ONE,
    "trunc": ONE,
    "addcdiv": Rule(flops=per_output(3)),
    "addcmul": Rule(flops=per_output(3)),
    "lerp": Rule(flops=per_output(3)),
    # Reductions
    "all": Rule(flops=per_input(1)),
    "amax": Rule(flops=per_input(1)),
    "amin": Rule(flops=per_input(1)),
    "aminmax": Rule(flops=per_input(2)),
    "any": Rule(flops=per_input(1)),
    "argmax": Rule(flops=per_input(1)),
    "argmin": Rule(flops=per_input(1)),
    "argsort": Rule(flops=sorting),
    "cumprod": Rule(flops=per_input(1)),
    "cumsum": Rule(flops=per_input(1)),
    "linalg_vector_norm": Rule(flops=per_input(2)),  # power, +
    "logsumexp": Rule(flops=per_input(4)),  # compare, −, exp, +
    "max": Rule(flops=per_input(1)),
    "mean": Rule(flops=per_input(1)),
    "min": Rule(flops=per_input(1)),
    "norm": Rule(flops=per_input(2)),
    "prod": Rule(flops=per_input(1)),
    "sort": Rule(flops=sorting),
    "std": Rule(flops=per_input(4)),
    "sum": Rule(flops=per_input(1)),
    "topk": Rule(flops=sorting),
    "var": Rule(flops=per_input(4)),  # mean 1; −, square, +
    "var_mean": Rule(flops=per_input(4)),
    # Resizing and sampling
    "_upsample_bicubic2d_aa": Rule(flops=antialiased(2)),
    "_upsample_bilinear2d_aa": Rule(flops=antialiased(1)),
    "_upsample_nearest_exact1d": FREE,
    "_upsample_nearest_exact2d": FREE,
    "_upsample_nearest_exact3d": FREE,
    "grid_sampler_2d": Rule(flops=grid_sample),
    "grid_sampler_3d": Rule(flops=grid_sample),
    "upsample_bicubic2d": Rule(flops=per_output(31)),  # 16 × and 15 +
    "upsample_bilinear2d": Rule(flops=per_output(7)),  # 4 × and 3 +
    "upsample_linear1d": Rule(flops=per_output(3)),
    "upsample_nearest1d": FREE,
    "upsample_nearest2d": FREE,
    "upsample_nearest3d": FREE,
    "upsample_trilinear3d": Rule(flops=per_output(15)),
    # Transforms
    "_cdist_forward": Rule(flops=distances),
    "_fft_c2c": Rule(flops=fourier),
    "_fft_c2r": Rule(flops=fourier),
    "_fft_r2c": Rule(flops=fourier),
    # Views
    "_conj": VIEW,
    "alias": VIEW,
    "as_strided": VIEW,
    "detach": VIEW,
    "diagonal": VIEW,
    "expand": VIEW,
    "imag": VIEW,
    "permute": VIEW,
    "real": VIEW,
    "select": VIEW,
    "slice": VIEW,
    "split": VIEW,
    "split_with_sizes": VIEW,
    "squeeze": VIEW,
    "t": VIEW,
    "transpose": VIEW,
    "unbind": VIEW,
    "unfold": VIEW,
    "unsqueeze": VIEW,
    "view": VIEW,
    "view_as_complex": VIEW,
    "view_as_real": VIEW,
    # Moving data
    "_local_scalar_dense": FREE,
    "cat": FREE,
    "channel_shuffle": FREE,
    "clone": FREE,
    "col2im": Rule(flops=per_input(1)),  # sums what overlaps
    "complex": FREE,
    "constant_pad_nd": FREE,
    "copy": FREE,
    "diag_embed": FREE,
    "embedding": FREE,
    "fill": FREE,
    "flip": FREE,
    "gather": FREE,
    "im2col": FREE,
    "index": FREE,
    "index_copy": FREE,
    "index_fill": FREE,
    "index_put": FREE,
    "index_select": FREE,
    "lift_fresh": FREE,
    "masked_fill": FREE,
    "masked_select": FREE,
    "max_unpool2d": FREE,
    "max_unpool3d": FREE,
    "native_channel_shuffle": FREE,
    "nonzero": FREE,
    "one_hot": FREE,
    "pixel_shuffle": FREE,
    "pixel_unshuffle": FREE,
    "reflection_pad1d": FREE,
    "reflection_pad2d": FREE,
    "reflection_pad3d": FREE,
    "repeat": FREE,
    "repeat_interleave": FREE,
    "replication_pad1d": FREE,
    "replication_pad2d": FREE,
    "replication_pad3d": FREE,
    "roll": FREE,
    "scatter": FREE,
    "scatter_add": Rule(flops=lambda sizes: sizes.elements_out),
    "select_scatter": FREE,
    "slice_scatter": FREE,
    "stack": FREE,
    "to_copy": FREE,
    "tril": FREE,
    "triu": FREE,
    "where": FREE,
    "zero": FREE,
    # Chance
    "bernoulli": FREE,
    "native_dropout": Rule(flops=per_output(2)),  # mask and scale
}
