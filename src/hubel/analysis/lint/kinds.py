"""Which operations are linear, which bend, which saturate: the tables that the rules share.

An operation that stands in none of them ends every chain of reasoning: a rule never claims what it
cannot follow.
"""

from __future__ import annotations

from typing import Final

BATCH_NORMS: Final = frozenset(
    {
        "native_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_batch_norm_with_update",
        "cudnn_batch_norm",
        "batch_norm",
    }
)
"""Fixed numbers a channel once training is over: linear."""

DATA_NORMS: Final = frozenset(
    {
        "native_layer_norm",
        "native_group_norm",
        "layer_norm",
        "group_norm",
        "rms_norm",
        "_fused_rms_norm",
        "local_response_norm",
    }
)
"""They divide by what the picture itself holds: not linear."""

SOFTMAXES: Final = frozenset({"_softmax", "softmax", "_safe_softmax"})
LOG_SOFTMAXES: Final = frozenset({"_log_softmax", "log_softmax"})

SATURATING: Final = frozenset({"sigmoid", "tanh"})
"""Activations whose slope goes to zero on both sides."""

RECTIFIERS: Final = frozenset({"relu", "clamp_min", "threshold", "hardtanh"})
"""They keep the positive half; `hardtanh` where it is ReLU6, whose upper end few values reach."""

ACTIVATIONS: Final = (
    SATURATING
    | RECTIFIERS
    | frozenset(
        {
            "leaky_relu",
            "elu",
            "selu",
            "celu",
            "gelu",
            "silu",
            "mish",
            "hardswish",
            "hardsigmoid",
            "softplus",
            "_prelu_kernel",
            "prelu",
            "rrelu_with_noise",
            "log_sigmoid_forward",
        }
    )
)

RESHAPES: Final = frozenset(
    {
        "view",
        "_unsafe_view",
        "_reshape_alias",
        "reshape",
        "flatten",
        "squeeze",
        "unsqueeze",
        "clone",
        "alias",
        "detach",
        "lift_fresh",
        "_to_copy",
        "contiguous",
        "as_strided",
        "copy",
        "native_dropout",
    }
)
"""The same numbers in the same order."""

REARRANGEMENTS: Final = RESHAPES | frozenset(
    {"permute", "transpose", "t", "expand", "slice", "select", "split", "split_with_sizes"}
)
"""The same numbers, perhaps elsewhere or fewer of them."""

AVERAGES: Final = frozenset({"avg_pool1d", "avg_pool2d", "avg_pool3d"})
MAXIMA: Final = frozenset(
    {
        "max_pool1d",
        "max_pool1d_with_indices",
        "max_pool2d",
        "max_pool2d_with_indices",
        "max_pool3d",
        "max_pool3d_with_indices",
    }
)
POOLS: Final = AVERAGES | MAXIMA
GLOBAL_AVERAGES: Final = frozenset(
    {"mean", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d"}
)
PADS: Final = frozenset(
    {
        "constant_pad_nd",
        "reflection_pad1d",
        "reflection_pad2d",
        "reflection_pad3d",
        "replication_pad1d",
        "replication_pad2d",
        "replication_pad3d",
    }
)

SCALINGS: Final = frozenset({"mul", "div", "neg", "add", "sub"})
"""Linear where only one of their operands comes from the data."""

LINEAR: Final = REARRANGEMENTS | BATCH_NORMS | AVERAGES | PADS | SCALINGS
"""What carries a chain of layers on without bending it, if it reads one value."""

ATTENTIONS: Final = frozenset(
    {
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_attention_math",
        "_scaled_dot_product_fused_attention_overrideable",
        "scaled_dot_product_attention",
        "bmm",
    }
)
