"""What would do the same work with fewer weights, and what fits the hardware badly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from hubel.analysis.lint.layers import Layer
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import by, count, some

MOST: Final = 0.5
"""Share of the parameters in fully-connected layers."""
MEDIUM: Final = (12, 20)
"""Sides of the maps on which a kernel split into two lines served best."""
LEAST_CHANNELS: Final = 32
MULTIPLE: Final = 8
"""Vector units and tensor cores work on 8 or more numbers at once."""


def _heavy_fully_connected(subject: Subject) -> Iterator[Hit]:
    graph, trace = subject.graph, subject.trace
    once: dict[int, Layer] = {layer.weight.id: layer for layer in graph.layers}
    # A layer that is applied to many places of a picture is a 1×1 convolution under another name.
    pictures = trace.input_shapes[0][0]
    full = [one for one in once.values() if not one.convolves and one.applications == pictures]
    params = sum(math.prod(w.shape) for w in trace.weights if not w.buffer)
    held = sum(layer.weights for layer in full)
    if not full or held <= MOST * params or not any(layer.convolves for layer in graph.layers):
        return
    last, first = full[-1], full[0]
    maps = trace.values[graph.unfolded(first.source)].shape
    if len(maps) > 2 and math.prod(maps[2:]) > 1:
        left = maps[1] * last.outputs
        instead = (
            f"global average pooling over the {by(maps[2:])} maps and one layer of "
            f"{maps[1]}×{last.outputs}"
        )
    elif len(full) > 1:
        left = first.inputs * last.outputs
        instead = f"one layer of {first.inputs}×{last.outputs}"
    else:
        return
    yield Hit(
        what=f"{count(len(full), 'fully-connected layer holds', 'fully-connected layers hold')} "
        f"{held / params:.0%} of the parameters.",
        where=tuple(graph.layer_name(layer) for layer in full),
        evidence=f"{held:,} of {params:,} parameters; {instead} would have {left:,}, "
        f"{1 - left / held:.0%} less",
    )


def _large_kernel(subject: Subject) -> Iterator[Hit]:
    """Compare k×k with (k - 1) / 2 convolutions of 3×3, the first of which changes the width."""
    yield from _replaced(
        subject,
        [layer for layer in subject.graph.layers if _square(layer) and layer.kernel[0] in {5, 7}],
        lambda layer: (
            9 * layer.inputs * layer.outputs
            + ((layer.kernel[0] - 1) // 2 - 1) * 9 * layer.outputs * layer.outputs
        ),
        "of 5×5 or 7×7 could each be two or three of 3×3, with the same field and more activations",
    )


def _factorisable_kernel(subject: Subject) -> Iterator[Hit]:
    """Compare n×n with n×1 and 1×n, where the map is of medium size."""
    low, high = MEDIUM
    yield from _replaced(
        subject,
        [
            layer
            for layer in subject.graph.layers
            if _square(layer)
            and layer.kernel[0] > 1
            and all(low <= side <= high for side in layer.source_shape[2:])
        ],
        lambda layer: (
            layer.kernel[0] * layer.inputs * layer.outputs
            + layer.kernel[0] * layer.outputs * layer.outputs
        ),
        "n×n on maps of medium size could each be n×1 and 1×n",
    )


def _separable_convolution(subject: Subject) -> Iterator[Hit]:
    """Compare k×k over all channels with k×k a channel and 1×1 over all channels."""
    yield from _replaced(
        subject,
        [
            layer
            for layer in subject.graph.layers
            if layer.dense and layer.spatial and min(layer.inputs, layer.outputs) >= LEAST_CHANNELS
        ],
        lambda layer: math.prod(layer.kernel) * layer.inputs + layer.inputs * layer.outputs,
        "could each be a depthwise and a pointwise one",
    )


def _square(layer: Layer) -> bool:
    """Return whether a layer is an ordinary convolution with a square kernel, as a whole."""
    return (
        layer.dense
        and len(layer.kernel) == 2
        and layer.kernel[0] == layer.kernel[1]
        and all(step == 1 for step in (*layer.stride, *layer.dilation))
    )


def _replaced(
    subject: Subject, layers: list[Layer], weights: Callable[[Layer], int], words: str
) -> Iterator[Hit]:
    """Give one hit for all layers that would have fewer weights otherwise built."""
    graph = subject.graph
    cheaper = [(layer, weights(layer)) for layer in layers]
    found = [(layer, left) for layer, left in cheaper if left < layer.weights]
    if not found:
        return
    params = sum(layer.weights for layer, _ in found)
    saved = params - sum(left for _, left in found)
    macs = sum((layer.weights - left) * layer.applications for layer, left in found)
    whole = sum(layer.macs for layer in graph.layers)
    yield Hit(
        what=f"{count(len(found), 'convolution')} {words}.",
        where=tuple(graph.layer_name(layer) for layer, _ in found),
        evidence=f"saves {saved:,} of their {params:,} weights ({saved / params:.0%}) and {macs:,} "
        f"multiply-accumulates ({macs / whole:.0%} of the network's)",
    )


def _channel_count(subject: Subject) -> Iterator[Hit]:
    graph = subject.graph
    outputs = set(subject.trace.outputs)
    found: list[tuple[str, str]] = []
    for layer in graph.layers:
        if layer.convolves and layer.applications == 1:
            continue  # A gate of channel attention: next to no work.
        # The number of classes and of colours is not the designer's to choose.
        ends = {layer.result, *(v for o in graph.reading(layer.result) for v in o.outputs)}
        if layer.outputs % MULTIPLE and not ends & outputs and layer is not graph.layers[-1]:
            name = graph.layer_name(layer)
            found.append((name, f"{name}: {layer.outputs}"))
    if found:
        yield Hit(
            what=f"{count(len(found), 'layer has', 'layers have')} a number of channels that is "
            f"no multiple of {MULTIPLE}.",
            where=tuple(name for name, _ in found),
            evidence=some([text for _, text in found], 6),
        )


RULES: Final = (
    Rule(
        id="check/heavy-fully-connected",
        severity="note",
        meaning="Fully-connected layers hold most of the parameters.",
        threshold=f"{MOST:.0%} of the parameters",
        remedy="Average each map over the picture before one last layer, or make them 1×1 "
        "convolutions.",
        source="lin2014network",
        find=_heavy_fully_connected,
    ),
    Rule(
        id="check/large-kernel",
        severity="note",
        meaning="A convolution of 5×5 or 7×7 at stride 1, where 3×3 ones in a row would see as "
        "much with fewer weights.",
        confidence=0.7,
        remedy="Replace it by two (5×5) or three (7×7) convolutions of 3×3 with activations.",
        source="simonyan2015very",
        find=_large_kernel,
    ),
    Rule(
        id="check/factorisable-kernel",
        severity="note",
        meaning="A convolution n×n on a map of medium size, which n×1 and 1×n would replace with "
        "fewer weights.",
        threshold=f"maps of {MEDIUM[0]} to {MEDIUM[1]} pixels a side",
        confidence=0.6,
        remedy="Replace it by n×1 and 1×n; on larger maps, early in a network, it does not serve.",
        source="szegedy2016rethinking",
        find=_factorisable_kernel,
    ),
    Rule(
        id="check/separable-convolution",
        severity="note",
        meaning="Ordinary convolutions that a depthwise and a pointwise one would replace.",
        threshold=f"{LEAST_CHANNELS} channels",
        confidence=0.6,
        remedy="Where parameters or multiply-accumulates matter, replace them; on processors that "
        "read memory slowly the time saved is less.",
        source="howard2017mobilenets",
        find=_separable_convolution,
    ),
    Rule(
        id="check/channel-count",
        severity="note",
        meaning=f"Channel counts that are no multiple of {MULTIPLE} leave part of the vector units "
        "idle.",
        threshold=f"multiples of {MULTIPLE}",
        confidence=0.7,
        remedy=f"Round up to the next multiple of {MULTIPLE}.",
        source="hubel",
        find=_channel_count,
    ),
)
