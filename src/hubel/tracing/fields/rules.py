"""The table of all rules by which receptive fields go through operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hubel.tracing.fields import interpolation, shapes, unions, windows
from hubel.tracing.fields.step import Rule

ELEMENT_BY_ELEMENT: Final = (
    *("abs", "alias", "angle", "bitwise_not", "bool", "ceil", "celu", "clamp", "clamp_max"),
    *("clamp_min", "clone", "conj", "conj_physical", "contiguous", "cos", "detach", "dropout"),
    *("elu", "erf", "exp", "expm1", "floor", "frac", "gelu", "hardshrink", "hardsigmoid"),
    *("hardswish", "hardtanh", "isfinite", "isinf", "isnan", "leaky_relu", "lift_fresh", "log"),
    *("log10", "log1p", "log2", "log_sigmoid_forward", "logical_not", "logit", "mish"),
    *("nan_to_num", "native_dropout", "neg", "prelu", "reciprocal", "relu", "relu6", "round"),
    *("rrelu", "rrelu_with_noise", "rsqrt", "selu", "sgn", "sigmoid", "sign", "silu", "sin"),
    *("sinh", "softplus", "softshrink", "sqrt", "square", "tan", "tanh", "threshold", "to"),
    *("to_copy", "trunc", "view_copy", "_conj", "_neg_view", "bernoulli"),
)
JOINING_ELEMENTS: Final = (
    *("add", "addcdiv", "addcmul", "atan2", "bitwise_and", "bitwise_or", "copysign", "div"),
    *("eq", "floor_divide", "fmax", "fmin", "fmod", "ge", "gt", "hypot", "le", "lerp"),
    *("logaddexp", "logical_and", "logical_or", "logical_xor", "lt", "masked_fill", "maximum"),
    *("minimum", "mul", "ne", "pow", "remainder", "rsub", "sub", "where", "xlogy"),
)
OF_NO_NUMBER: Final = (
    *("empty_like", "fill", "full_like", "new_empty", "new_full", "new_ones", "new_zeros"),
    *("ones_like", "rand_like", "randn_like", "zero", "zeros_like", "new_empty_strided"),
)
REDUCING: Final = (
    *("all", "amax", "amin", "any", "argmax", "argmin", "linalg_vector_norm", "logsumexp"),
    *("max", "mean", "min", "nansum", "norm", "prod", "std", "std_mean", "sum", "var"),
    *("var_mean", "aminmax", "median", "count_nonzero"),
)
OVER_ONE_DIMENSION: Final = (
    *("argsort", "kthvalue", "log_softmax", "mode", "msort", "softmax", "sort", "topk"),
)

FIELD_RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(ELEMENT_BY_ELEMENT, shapes.same),
    **dict.fromkeys(JOINING_ELEMENTS, unions.elementwise),
    **dict.fromkeys(OF_NO_NUMBER, shapes.blind),
    **dict.fromkeys(REDUCING, unions.reduced),
    **dict.fromkeys(OVER_ONE_DIMENSION, unions.normalised),
    # windows
    "convolution": windows.convolution,
    "max_pool1d": windows.pooling,
    "max_pool1d_with_indices": windows.pooling,
    "max_pool2d": windows.pooling,
    "max_pool2d_with_indices": windows.pooling,
    "max_pool3d": windows.pooling,
    "max_pool3d_with_indices": windows.pooling,
    "avg_pool1d": windows.pooling,
    "avg_pool2d": windows.pooling,
    "avg_pool3d": windows.pooling,
    "adaptive_avg_pool1d": windows.adaptive_pooling,
    "adaptive_avg_pool2d": windows.adaptive_pooling,
    "adaptive_avg_pool3d": windows.adaptive_pooling,
    "adaptive_max_pool1d": windows.adaptive_pooling,
    "adaptive_max_pool2d": windows.adaptive_pooling,
    "adaptive_max_pool3d": windows.adaptive_pooling,
    "constant_pad_nd": windows.constant_pad,
    "reflection_pad1d": windows.reflection_pad,
    "reflection_pad2d": windows.reflection_pad,
    "reflection_pad3d": windows.reflection_pad,
    "replication_pad1d": windows.replication_pad,
    "replication_pad2d": windows.replication_pad,
    "replication_pad3d": windows.replication_pad,
    "im2col": windows.im2col,
    "col2im": windows.col2im,
    "unfold": windows.unfold_dim,
    "deform_conv2d": windows.sampled,
    "grid_sampler_2d": windows.sampled,
    "grid_sampler_3d": windows.sampled,
    # interpolation
    "upsample_nearest1d": interpolation.nearest,
    "upsample_nearest2d": interpolation.nearest,
    "upsample_nearest3d": interpolation.nearest,
    "_upsample_nearest_exact1d": interpolation.nearest_exact,
    "_upsample_nearest_exact2d": interpolation.nearest_exact,
    "_upsample_nearest_exact3d": interpolation.nearest_exact,
    "upsample_linear1d": interpolation.linear,
    "upsample_bilinear2d": interpolation.linear,
    "upsample_trilinear3d": interpolation.linear,
    "upsample_bicubic2d": interpolation.cubic,
    "_upsample_bilinear2d_aa": interpolation.linear_antialiased,
    "_upsample_bicubic2d_aa": interpolation.cubic_antialiased,
    # views and rearrangements
    "view": shapes.view,
    "reshape": shapes.view,
    "flatten": shapes.view,
    "unflatten": shapes.view,
    "expand": shapes.expanded,
    "copy": shapes.copy,
    "permute": shapes.permuted,
    "transpose": shapes.transposed,
    "t": shapes.transposed,
    "squeeze": shapes.squeezed,
    "unsqueeze": shapes.unsqueezed,
    "slice": shapes.sliced,
    "select": shapes.selected,
    "split": shapes.split,
    "split_with_sizes": shapes.split,
    "unsafe_split": shapes.split,
    "chunk": shapes.split,
    "unbind": shapes.unbound,
    "cat": shapes.joined,
    "stack": shapes.stacked,
    "flip": shapes.flipped,
    "roll": shapes.rolled,
    "repeat": shapes.repeated,
    "pixel_shuffle": shapes.pixel_shuffled,
    "pixel_unshuffle": shapes.pixel_unshuffled,
    "channel_shuffle": shapes.channel_shuffled,
    "native_channel_shuffle": shapes.channel_shuffled,
    "index_select": shapes.chosen,
    "gather": shapes.chosen,
    "index": shapes.indexed,
    # units that meet
    "glu": unions.gated,
    "cumsum": unions.accumulated,
    "cumprod": unions.accumulated,
    "cummax": unions.accumulated,
    "cummin": unions.accumulated,
    "logcumsumexp": unions.accumulated,
    "_fft_r2c": unions.transformed,
    "_fft_c2c": unions.transformed,
    "_fft_c2r": unions.transformed,
    "native_layer_norm": unions.layer_norm,
    "_fused_rms_norm": unions.layer_norm,
    "rms_norm": unions.layer_norm,
    "native_group_norm": unions.group_norm,
    "native_batch_norm": unions.batch_norm,
    "mm": unions.matrix_product,
    "bmm": unions.matrix_product,
    "matmul": unions.matrix_product,
    "addmm": unions.matrix_product,
    "baddbmm": unions.matrix_product,
    "linear": unions.linear,
    "scaled_dot_product_attention": unions.attention,
}
"""Operation kind → rule. An operation that is not here is reported by name, never passed over."""
