"""What kind of operation a node of a traced network is, as far as windows on a picture matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torchvision.ops import StochasticDepth

POINTWISE_LAYERS: Final = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softplus,
    nn.Softsign, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.Threshold, nn.Identity, nn.Dropout,
    nn.AlphaDropout, StochasticDepth,
)  # fmt: skip
"""Each value for itself."""
LOCAL_LAYERS: Final = (
    nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.SyncBatchNorm, nn.LocalResponseNorm, nn.PReLU,
    nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d,
    nn.ReplicationPad2d, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle, nn.Upsample,
    nn.Dropout2d, nn.Softmax2d,
)  # fmt: skip
"""The same at every place of a map, from the pixels around it."""
PICTURE_LAYERS: Final = (nn.GroupNorm, nn.InstanceNorm2d)
"""Taken over the whole picture, whatever its size."""

POINTWISE: Final = frozenset({
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish",
    "hardsigmoid", "hardtanh", "sigmoid", "logsigmoid", "tanh", "softplus", "softsign", "clamp",
    "clamp_min", "clamp_max", "exp", "log", "sqrt", "rsqrt", "square", "abs", "neg", "pow",
    "reciprocal", "contiguous", "clone", "detach", "float", "double", "half",
})  # fmt: skip
BINARY: Final = frozenset({
    "add", "sub", "mul", "div", "truediv", "iadd", "isub", "imul", "itruediv", "multiply",
    "subtract", "divide", "rsub", "maximum", "minimum", "expand_as",
})  # fmt: skip
LOCAL: Final = frozenset({
    "conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "lp_pool2d", "batch_norm",
    "local_response_norm", "pad", "interpolate", "pixel_shuffle", "pixel_unshuffle",
    "channel_shuffle",
})  # fmt: skip
RESHAPING: Final = frozenset({
    "flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten",
})  # fmt: skip
JOINING: Final = frozenset({
    "cat", "concat", "concatenate", "stack",
})  # fmt: skip
ALONG: Final = frozenset({
    "mean", "sum", "amax", "amin", "max", "min", "softmax", "log_softmax", "chunk", "split",
    "unbind", "norm", "std", "var",
})  # fmt: skip
"""Along one or several dimensions."""
DROPPING: Final = frozenset({
    "dropout", "dropout2d", "stochastic_depth",
})  # fmt: skip
"""Nothing in evaluation; traced then, they become layers, which know when they are trained."""
EXCHANGING: Final = frozenset({
    "transpose", "permute", "swapaxes", "movedim",
})  # fmt: skip


class Reader:
    """Reads the nodes of a traced network: layers, names, arguments and shapes at one size."""

    def __init__(self, root: fx.GraphModule, values: Mapping[fx.Node, Any]) -> None:
        self.root = root
        self.values = values

    def layer(self, node: fx.Node) -> nn.Module | None:
        """Return the module that a node calls."""
        return self.root.get_submodule(str(node.target)) if node.op == "call_module" else None

    def name(self, node: fx.Node) -> str:
        """Return the name of the function or method of a node, in-place or not; else ''."""
        if node.op == "call_method":
            return str(node.target).strip("_")
        if node.op != "call_function" or not callable(node.target):
            return ""
        home = getattr(node.target, "__module__", None) or "torch"
        known = home.partition(".")[0] in {
            "torch", "torchvision", "_operator", "operator", "builtins",
        }  # fmt: skip
        return getattr(node.target, "__name__", "").strip("_") if known else ""

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """Return the shape of a node's tensor (the first of several); () for other values."""
        value = self.values[node]
        if isinstance(value, (tuple, list)) and value:
            value = value[0]
        return tuple(value.shape) if isinstance(value, Tensor) else ()

    def is_tensor(self, node: fx.Node) -> bool:
        """Return whether a node gives a tensor, or several."""
        value = self.values[node]
        if isinstance(value, torch.Size):
            return False
        parts = value if isinstance(value, (tuple, list)) else (value,)
        return any(isinstance(part, Tensor) for part in parts)

    def argument(self, node: fx.Node, place: int, name: str, default: Any = None) -> Any:
        """Return an argument by place or name; those that the network computes by their value."""
        given = node.args[place] if len(node.args) > place else node.kwargs.get(name, default)
        return fx.map_arg(given, lambda one: self.values[one])

    def dimensions(self, node: fx.Node, rank: int) -> set[int] | None:
        """Return the dimensions along which a node works; None where it names none."""
        if self.name(node) in EXCHANGING:
            given = fx.map_arg(node.args[1:], lambda one: self.values[one])
            given = given or tuple(node.kwargs.values())
            return self._exchanged(self.name(node), given, rank)
        place = 2 if self.name(node) in {"chunk", "split", "norm"} else 1
        default = 0 if self.name(node) in JOINING | {"chunk", "split", "unbind"} else None
        found = self.argument(node, place, "dim", default)
        if found is None or isinstance(found, Tensor):
            return None
        parts = found if isinstance(found, (tuple, list)) else (found,)
        return {int(part) % rank for part in parts} if parts else None

    @staticmethod
    def _exchanged(name: str, given: Any, rank: int) -> set[int]:
        """Return the dimensions that a transposition moves."""
        flat = [
            one for part in given for one in (part if isinstance(part, (tuple, list)) else [part])
        ]
        if name == "permute":
            return {place for place, one in enumerate(flat) if one % rank != place}
        return {int(one) % rank for one in flat}

    def dropping(self, node: fx.Node) -> nn.Module:
        """Return the layer of a function that drops values in training."""
        share, name = self.argument(node, 1, "p", 0.5), self.name(node)
        if name == "stochastic_depth":
            return StochasticDepth(share, self.argument(node, 2, "mode"))
        return nn.Dropout2d(share) if name == "dropout2d" else nn.Dropout(share)

    def pooling(self, node: fx.Node) -> str:
        """Return "mean" or "max" of a pooling over the whole map, or to a fixed size; else ""."""
        layer, name = self.layer(node), self.name(node)
        if isinstance(layer, nn.AdaptiveAvgPool2d) or name == "adaptive_avg_pool2d":
            return "mean"
        if isinstance(layer, nn.AdaptiveMaxPool2d) or name == "adaptive_max_pool2d":
            return "max"
        source = node.all_input_nodes[0]
        before = self.shape(source)
        if name in {"mean", "amax"} and len(before) == 4:
            return (
                {"mean": "mean", "amax": "max"}[name] if self.dimensions(node, 4) == {2, 3} else ""
            )
        return self._covering(node, layer, name, before)

    def _covering(self, node: fx.Node, layer: Any, name: str, before: tuple[int, ...]) -> str:
        """Return the kind of a pooling layer whose one window is the whole map of this size."""
        if isinstance(layer, (nn.AvgPool2d, nn.MaxPool2d)):
            kind = "mean" if isinstance(layer, nn.AvgPool2d) else "max"
            kernel, padding = layer.kernel_size, layer.padding
            plain = getattr(layer, "dilation", 1) in {1, (1, 1)}
            plain = plain and getattr(layer, "divisor_override", None) is None
        elif name in {"avg_pool2d", "max_pool2d"}:
            kind = "mean" if name == "avg_pool2d" else "max"
            kernel = self.argument(node, 1, "kernel_size")
            padding = self.argument(node, 3, "padding", 0)
            plain = len(node.args) <= 4 and not set(node.kwargs) & {"dilation", "divisor_override"}
        else:
            return ""
        sides = tuple(before[-2:])
        whole = pair(kernel) == sides != (1, 1) and pair(padding) == (0, 0)
        return kind if whole and plain and self.is_tensor(node) else ""


def pair(sides: Any) -> tuple[int, ...]:
    """Return height and width of a setting that may be one number for both."""
    return tuple(sides) if isinstance(sides, (tuple, list)) else (sides, sides)


def is_moving_slice(index: Any) -> bool:
    """Return whether an index of maps moves with the picture: no place counted from far borders."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, fx.Node) for part in parts) or Ellipsis in parts or None in parts:
        return False
    for part in parts[2:]:
        if not isinstance(part, slice):
            return False
        bounds = (part.start, part.stop, part.step)
        if any(isinstance(bound, fx.Node) for bound in bounds):
            return False
        if (part.start or 0) < 0 or (part.stop is not None and part.stop >= 0):
            return False
    return all(isinstance(part, slice) for part in parts[:2])
