"""How fast the maps shrink, how wide the layers are, and where too little gets through."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Final

from hubel.analysis.lint.layers import Layer
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import by, count, some

SQUEEZE: Final = 20
"""How much more must stand before and after. SqueezeNet 1.0 reaches 16, MobileNet v2 9."""
EARLY: Final = 0.2
EARLY_LAYERS: Final = 8
"""Share and number of the convolutions that count as the first. ResNet-152 reaches stride 16 after
25% of them, EfficientNet v2-S after 21 convolutions, which are 12%."""
EARLY_STRIDE: Final = 16
EARLY_SIDE: Final = 8
LEAST_LAYERS: Final = 6
BALANCE: Final = (0.02, 7.0)
"""Layers a channel, as `_width_depth` counts them, of published networks: AlexNet 0.03, ResNet-152
0.7, the ResNet of 110 layers for CIFAR 3.5, DenseNet-121 3.7, DenseNet-201 6.2."""


def _bottleneck(subject: Subject) -> Iterator[Hit]:
    graph, trace = subject.graph, subject.trace
    if not subject.answers:
        return
    # The last layer makes the answer, however long; what stands around it is no map.
    last = graph.layers[-1].operation.id if graph.layers else 0
    cuts = [
        value
        for value in graph.cuts()
        if (maker := trace.values[value].operation) is None or maker < last
    ]
    sizes = [graph.elements(value) for value in cuts]
    worst: tuple[float, int] | None = None
    for place in range(1, len(cuts) - 1):
        squeeze = min(max(sizes[:place]), max(sizes[place + 1 :])) / sizes[place]
        if squeeze >= SQUEEZE and (worst is None or squeeze > worst[0]):
            worst = (squeeze, place)
    if worst is not None:
        place = worst[1]
        maker = graph.maker(cuts[place])
        assert maker is not None, "a cut between two others is made by an operation"
        yield Hit(
            what=f"All that the network knows of the picture passes through "
            f"{sizes[place]:,} numbers here, fewer than before and after.",
            where=(graph.name(maker),),
            evidence=f"{max(sizes[:place]):,} numbers before, {sizes[place]:,} here, "
            f"{max(sizes[place + 1 :]):,} after",
        )


def _convolutions(subject: Subject) -> list[Layer]:
    return [layer for layer in subject.graph.layers if layer.convolves]


def _early_reduction(subject: Subject) -> Iterator[Hit]:
    layers = _convolutions(subject)
    spatial = [layer for layer in layers if layer.spatial]
    if len(spatial) < 4 or len(layers) < LEAST_LAYERS or not subject.picture or not subject.answers:
        return
    picture = min(subject.picture)
    for place, layer in enumerate(layers):
        if place >= min(EARLY_LAYERS, max(1, EARLY * len(layers))):
            return
        side = min(layer.result_shape[2:])
        if side == 1 or side >= picture:  # The gate of a channel attention, or no reduction.
            continue
        if picture / side > EARLY_STRIDE - 1 or (side <= EARLY_SIDE and picture > 2 * EARLY_SIDE):
            yield Hit(
                what=f"The maps shrink from {picture} to {side} pixels a side within the first "
                f"{count(place + 1, 'convolution')} of {len(layers)}.",
                where=(subject.graph.layer_name(layer),),
                evidence=f"map {by(layer.result_shape[2:])} after {(place + 1) / len(layers):.0%} "
                "of the convolutions",
            )
            return


def _narrow_before_reduction(subject: Subject) -> Iterator[Hit]:
    """Compare the last layer of a side with the widest one of that side, along the cuts."""
    graph = subject.graph
    cuts = set(graph.cuts())
    chain = [
        layer for layer in _convolutions(subject) if layer.result in cuts and not layer.transposed
    ]
    found: list[tuple[str, str]] = []
    widest = 0
    for layer, following in itertools.pairwise(chain):
        widest = max(widest, layer.outputs)
        # The map may be reduced by the following layer or by a pooling before it.
        if following.result_shape[2:] < layer.result_shape[2:]:
            if 2 * layer.outputs <= widest:
                name = graph.layer_name(layer)
                found.append((name, f"{name}: {layer.outputs} channels after {widest}"))
            widest = 0
    if found:
        yield Hit(
            what=f"{count(len(found), 'layer is', 'layers are')} narrow where the map is about to "
            "be reduced: channels and places are lost together.",
            where=tuple(name for name, _ in found),
            evidence=some([text for _, text in found]),
        )


def _width_depth(subject: Subject) -> Iterator[Hit]:
    layers = [layer for layer in _convolutions(subject) if layer.spatial and not layer.depthwise]
    graph = subject.graph
    if len(layers) < 2 or not subject.answers:
        return
    depths = graph.depths()
    depth = max(depths[value] for value in subject.trace.outputs)
    width = math.exp(sum(math.log(layer.outputs) for layer in layers) / len(layers))
    low, high = BALANCE
    if depth / width > high or depth / width < low:
        deep = depth / width > high
        yield Hit(
            what="The network is very "
            + ("deep for its width." if deep else "wide for its depth."),
            where=(),
            evidence=f"{depth} layers on the longest way, {width:.0f} channels in the geometric "
            f"mean: {depth / width:.3g} layers a channel",
            remedy="Widen the layers rather than adding more."
            if deep
            else "Add layers rather than widening those that are there.",
        )


RULES: Final = (
    Rule(
        id="check/bottleneck",
        severity="warning",
        meaning="A representational bottleneck: everything passes through far fewer numbers than "
        "stand before and after, and what is lost there cannot come back.",
        threshold=f"{SQUEEZE} times fewer than before and than after",
        confidence=0.8,
        remedy="Shrink gently: widen this layer, or lead a connection around it.",
        source="szegedy2016rethinking",
        find=_bottleneck,
    ),
    Rule(
        id="check/early-reduction",
        severity="warning",
        meaning="The maps become small within the first layers, so that nearly all of the network "
        "works on coarse maps.",
        threshold=f"stride {EARLY_STRIDE} or a side of {EARLY_SIDE} within {EARLY:.0%} of the "
        f"convolutions, the first {EARLY_LAYERS} at most",
        confidence=0.7,
        remedy="Move strides and poolings to later layers, use a larger input, or a stem without "
        "reduction for small pictures.",
        source="iandola2016squeezenet",
        find=_early_reduction,
    ),
    Rule(
        id="check/narrow-before-reduction",
        severity="note",
        meaning="The layer before a spatial reduction has at most half of the channels that stood "
        "there before it.",
        threshold="half of the widest layer at this side",
        confidence=0.6,
        remedy="Let the channels grow before the map shrinks, or reduce by convolution and pooling "
        "side by side.",
        source="szegedy2016rethinking",
        find=_narrow_before_reduction,
    ),
    Rule(
        id="check/width-depth",
        severity="note",
        meaning="Depth and width are out of the range of the published networks.",
        threshold=f"{BALANCE[0]:g} to {BALANCE[1]:g} layers a channel",
        confidence=0.5,
        remedy="Grow width, depth and input side together.",
        source="tan2019efficientnet",
        find=_width_depth,
    ),
)
