"""What the backward pass of each operation needs of its forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hubel.tracing import Operation


@dataclass(frozen=True, slots=True)
class Saved:
    """What an operation keeps until its backward pass."""

    inputs: tuple[int, ...] | None = ()
    """Places among the values that it reads; None for all of them."""
    outputs: tuple[int, ...] = ()
    """Places among the values that it makes."""


NOTHING: Final = Saved()
ALL_INPUTS: Final = Saved(inputs=None)
INPUT: Final = Saved(inputs=(0,))
RESULT: Final = Saved(outputs=(0,))
EVERYTHING: Final = Saved(inputs=None, outputs=(0, 1))
"""Taken for operations that the table does not name."""

SAVED: Final[Mapping[str, Saved]] = {
    # Products keep their factors
    **dict.fromkeys(("baddbmm", "bmm", "convolution", "deform_conv2d", "dot", "mm"), ALL_INPUTS),
    **dict.fromkeys(("addmm", "addmv", "mul", "mv", "div", "maximum", "minimum"), ALL_INPUTS),
    "scaled_dot_product_attention": Saved(inputs=None, outputs=(0, 1)),
    # Normalisations keep the input and the statistics
    "_fused_rms_norm": Saved(inputs=(0,), outputs=(1,)),
    "native_batch_norm": Saved(inputs=(0,), outputs=(1, 2)),
    "native_group_norm": Saved(inputs=(0,), outputs=(1, 2)),
    "native_layer_norm": Saved(inputs=(0,), outputs=(1, 2)),
    # Their derivative is a function of the result
    **dict.fromkeys(("exp", "reciprocal", "relu", "rsqrt", "sigmoid", "sqrt", "tanh"), RESULT),
    **dict.fromkeys(("log_softmax", "softmax"), RESULT),
    # … or of the input
    **dict.fromkeys(("abs", "clamp", "clamp_max", "clamp_min", "cos", "elu", "erf"), INPUT),
    **dict.fromkeys(("gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu"), INPUT),
    **dict.fromkeys(("log", "log_sigmoid_forward", "mish", "pow", "prelu", "silu", "sin"), INPUT),
    **dict.fromkeys(("softplus", "softshrink", "threshold", "var", "var_mean"), INPUT),
    **dict.fromkeys(("avg_pool2d", "avg_pool3d", "adaptive_avg_pool2d"), INPUT),
    **dict.fromkeys(("adaptive_avg_pool3d", "grid_sampler_2d", "grid_sampler_3d"), ALL_INPUTS),
    "adaptive_max_pool2d": Saved(inputs=(0,), outputs=(1,)),
    "adaptive_max_pool3d": Saved(inputs=(0,), outputs=(1,)),
    "max_pool2d_with_indices": Saved(inputs=(0,), outputs=(1,)),
    "max_pool3d_with_indices": Saved(inputs=(0,), outputs=(1,)),
    "amax": Saved(inputs=(0,), outputs=(0,)),
    "amin": Saved(inputs=(0,), outputs=(0,)),
    "linalg_vector_norm": Saved(inputs=(0,), outputs=(0,)),
    "max": Saved(outputs=(1,)),
    "min": Saved(outputs=(1,)),
    "native_dropout": Saved(outputs=(1,)),
    # Sums, and what only moves data, need shapes alone
    **dict.fromkeys(("add", "mean", "neg", "rsub", "sub", "sum", "cumsum"), NOTHING),
    **dict.fromkeys(("alias", "as_strided", "cat", "channel_shuffle", "clone"), NOTHING),
    **dict.fromkeys(("constant_pad_nd", "copy", "detach", "diagonal", "expand"), NOTHING),
    **dict.fromkeys(("fill", "flip", "im2col", "native_channel_shuffle", "permute"), NOTHING),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle", "repeat", "roll", "select"), NOTHING),
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d", "reflection_pad3d"), INPUT),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d", "replication_pad3d"), INPUT),
    **dict.fromkeys(("slice", "split", "split_with_sizes", "squeeze", "stack", "t"), NOTHING),
    **dict.fromkeys(("to_copy", "transpose", "unbind", "unfold", "unsqueeze", "view"), NOTHING),
    **dict.fromkeys(("upsample_bicubic2d", "upsample_bilinear2d"), NOTHING),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"), NOTHING),
    **dict.fromkeys(("upsample_linear1d", "upsample_trilinear3d", "zero"), NOTHING),
}


IN_PLACE_BY_RESULT: Final = frozenset({"elu", "leaky_relu", "rrelu_with_noise"})
"""Activations whose in-place version needs its result, though the other one needs its input."""


def saved_values(operation: Operation) -> tuple[int, ...]:
    """Return the values that an operation keeps until its backward pass."""
    inputs, outputs = _saved(operation)
    if operation.in_place:  # The first input was written over.
        inputs = [value for value in inputs if value != operation.inputs[0]]
    return tuple(dict.fromkeys((*inputs, *outputs)))


def copied_value(operation: Operation) -> int | None:
    """Return the value of which torch keeps a copy, because the operation writes over it."""
    if not operation.in_place or operation.kind in IN_PLACE_BY_RESULT:
        return None
    first = operation.inputs[0]
    return first if first in _saved(operation)[0] else None


def _saved(operation: Operation) -> tuple[list[int], list[int]]:
    """Return what the table says, as values read and values made."""
    read, made = operation.inputs, operation.outputs
    if operation.in_place and operation.kind in IN_PLACE_BY_RESULT:
        return [], list(made[:1])
    if operation.kind in {"mul", "div"} and len(read) == 1 and not operation.weights:
        return [], []  # The factor is a number.
    rule = SAVED.get(operation.kind, EVERYTHING)
    inputs = read if rule.inputs is None else [read[at] for at in rule.inputs if at < len(read)]
    return list(inputs), [made[at] for at in rule.outputs if at < len(made)]
