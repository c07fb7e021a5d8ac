"""Which operations are linear, which bend, which saturate: the tables that the rules share.

An operation that stands in none of them ends every chain of reasoning: a rule never claims what it
cannot follow.
"""

from __future__ import annotations

from typing import Final

BATCH_NORMS: Final = frozenset({"native_batch_norm"})
"""Fixed numbers a channel once training is over: linear."""

DATA_NORMS: Final = frozenset({"native_layer_norm", "native_group_norm", "_fused_rms_norm"})
"""They divide by what the picture itself holds: not linear."""

SOFTMAXES: Final = frozenset({"softmax"})
LOG_SOFTMAXES: Final = frozenset({"log_softmax"})

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
            "prelu",
            "rrelu_with_noise",
            "log_sigmoid_forward",
        }
    )
)

RESHAPES: Final = frozenset(
    {
        "view",
        "squeeze",
        "unsqueeze",
        "clone",
        "alias",
        "detach",
        "lift_fresh",
        "to_copy",
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

AVERAGES: Final = frozenset({"avg_pool2d", "avg_pool3d"})
MAXIMA: Final = frozenset({"max_pool2d_with_indices", "max_pool3d_with_indices"})
POOLS: Final = AVERAGES | MAXIMA
GLOBAL_AVERAGES: Final = frozenset({"mean", "adaptive_avg_pool2d", "adaptive_avg_pool3d"})
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
