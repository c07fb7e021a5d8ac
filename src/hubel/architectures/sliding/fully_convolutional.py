"""Any classifier as a network that slides over larger pictures, with the same weights.

A fully-connected layer is a convolution whose kernel is as large as the map that it reads, so a
classifier of S x S pictures gives for a larger picture a map of answers, one for each window of
S x S pixels, and what neighbouring windows share is computed once (sermanet2014overfeat,
long2015fully):

classifier                                          here
flatten, then fully connected from c·h·w            convolution h x w
fully connected after it                            convolution 1x1
mean or greatest of the whole map                   pooling h x w, stride 1
batch normalisation of vectors                      of maps
anything else after the last map                    as it is, window after window

The windows are as far apart as the product of the strides before the first of these.

Without padding the map is what the classifier says of each window cut out. With padding, a window
cut out sees zeros where the map sees the picture, so the answers differ a little. What is pooled in
order to weigh maps (squeeze-and-excitation) has no window of its own: it stays one value for the
whole picture, as group normalisation does, `notes` say so, and the answers for a larger picture
differ from those for its windows. For a picture of S x S pixels they are always the classifier's.
"""

from __future__ import annotations

import copy as copying
import inspect
from collections.abc import Sequence
from typing import Any, Final, final

import torch
from torch import Tensor, fx, nn

from hubel.architectures.sliding.operations import Reader
from hubel.architectures.sliding.windows import Rewriter, refusal
from hubel.errors import UsageError

LARGER: Final = 2
"""The rewritten network is tried out at this many times the size, too."""


@final
class FullyConvolutional(nn.Module):
    """A classifier that slides: (n, channels, h, w) becomes (n, outputs, h', w').

    h' = w' = 1 for pictures of `size` x `size`. Errors: UsageError for smaller pictures.
    """

    size: int
    """Side of the window, in pixels."""
    notes: tuple[str, ...]
    """What is not the same for a window and for the window cut out, one sentence each."""

    def __init__(self, network: fx.GraphModule, size: int, notes: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.size = size
        self.notes = notes

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the answers for every window."""
        if min(pictures.shape[2:]) < self.size:
            raise UsageError(
                f"This network slides a window of {self.size}x{self.size} pixels over the picture, "
                f"which has only {pictures.shape[2]}x{pictures.shape[3]}."
            )
        return self.network(pictures)


def fully_convolutional(
    model: nn.Module, *, size: int, channels: int | None = None, copy: bool = True
) -> FullyConvolutional:
    """Return `model`, a classifier of pictures of `size` x `size`, as one that slides over larger.

    `channels`: of the pictures; those of its first convolution by default. `copy`: whether the
    weights are copied; else both networks hold the same. It can be trained, on pictures of any
    size from `size`; auxiliary heads are left out.
    Errors: UsageError where the network cannot be traced, or has a step without a meaning for a
    larger map. Source: sermanet2014overfeat, long2015fully.
    """
    model = copying.deepcopy(model) if copy else model
    if channels is None:
        first = (layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
        channels = next((layer.in_channels for layer in first), None)
    if channels is None:
        raise refusal("it has no convolution that tells its channels; give channels")
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        root = _trace(model)
        reader = Reader(root, _values(root, size, channels))
        rewriter = Rewriter(reader, root.graph)
    finally:
        for module, mode in modes.items():
            module.training = mode
    network = fx.GraphModule(rewriter.attributes, rewriter.graph, "FullyConvolutional")
    network.graph.eliminate_dead_code()
    network.delete_all_unused_submodules()
    network.recompile()
    _try_out(network, size, channels)
    sliding = FullyConvolutional(network, size, _notes(rewriter.over_picture))
    for module in sliding.modules():
        module.training = modes.get(module, model.training)
    return sliding


def _notes(layers: Sequence[str]) -> tuple[str, ...]:
    """Return the sentence on layers that see the whole picture, if there are any."""
    if not layers:
        return ()
    more = f" (and {len(layers) - 1} more)" if len(layers) > 1 else ""
    sentence = (
        f"{layers[0]}{more} looks at the whole picture, whatever its size: answers for a larger "
        "picture are not those for its windows cut out."
    )
    return (sentence,)


def _trace(model: nn.Module) -> fx.GraphModule:
    """Return the graph of the network's steps in evaluation."""
    inputs = list(inspect.signature(model.forward).parameters.values())
    empty = inspect.Parameter.empty
    rest = {one.name: one.default for one in inputs[1:] if one.default is not empty}
    try:
        return fx.GraphModule(model, fx.Tracer().trace(model, concrete_args=rest or None))
    except Exception as error:
        raise refusal(
            f"its steps depend on the picture or cannot be followed ({_sentence(error)})"
        ) from error


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps the value of every node."""

    def __init__(self, root: nn.Module, graph: fx.Graph) -> None:
        super().__init__(root, garbage_collect_values=False, graph=graph)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run a node and keep what it gives."""
        self.values[n] = super().run_node(n)
        return self.values[n]


def _run(network: fx.GraphModule, size: int, channels: int) -> dict[fx.Node, Any]:
    """Return the values of every node for two pictures, as shapes without numbers."""
    tensors = [*network.parameters(), *network.buffers()]
    dtype = next((one.dtype for one in tensors if one.is_floating_point()), torch.float32)
    memo: dict[int, Any] = {id(one): one.to("meta") for one in tensors}
    recorder = _Recorder(copying.deepcopy(network, memo), network.graph)
    with torch.no_grad(), torch.device("meta"):
        recorder.run(torch.empty(2, channels, size, size, dtype=dtype))
    return recorder.values


def _values(root: fx.GraphModule, size: int, channels: int) -> dict[fx.Node, Any]:
    """Return the values of every node of the classifier at its size."""
    try:
        return _run(root, size, channels)
    except Exception as error:
        raise refusal(
            f"it does not take pictures of {channels} channels and {size}x{size} pixels "
            f"({_sentence(error)})"
        ) from error


def _try_out(network: fx.GraphModule, size: int, channels: int) -> None:
    """Run the rewritten network at its size and at a larger one, without numbers."""
    network.eval()
    try:
        for times in (1, LARGER):
            values = _run(network, times * size, channels)
            answer = values[next(iter(reversed(network.graph.nodes)))]
            if times == 1 and tuple(answer.shape[2:]) != (1, 1):
                raise refusal(f"it gives {tuple(answer.shape)} for two pictures of its size")
    except UsageError:
        raise
    except Exception as error:
        raise refusal(
            f"a step of it expects one size of the picture ({_sentence(error)})"
        ) from error


def _sentence(error: BaseException) -> str:
    """Return the first line of an error's text, without a full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
