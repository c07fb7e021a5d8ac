"""Whether the weights that a network starts from let the signal through."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from hubel.analysis.lint.kinds import BATCH_NORMS, DATA_NORMS
from hubel.analysis.lint.layers import Layer
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.signal import signals

RANGE: Final = 100.0
"""By how much the root mean square may grow or shrink from the input on."""


def _initialisation(subject: Subject) -> Iterator[Hit]:
    if subject.module is None or has_no_numbers(subject):
        return
    graph = subject.graph
    layers = [layer for layer in graph.layers[:-1] if not _normalised(subject, layer)]
    if not layers:
        return
    known = signals(graph, dict(subject.module.named_parameters(remove_duplicate=False)))
    depths = graph.depths()
    for layer in layers:
        after, before = known[layer.result], known[layer.source]
        if after is None or before is None:
            continue
        # A layer of zeros, as a residual branch may start with, is meant.
        if after.second <= 0 or before.second <= 0:
            continue
        size = math.sqrt(after.second)
        if not 1 / RANGE <= size <= RANGE:
            depth = depths[layer.result]
            yield Hit(
                what="With these weights the signal of the picture "
                + ("dies away" if size < 1 else "grows out of bounds")
                + " on its way through the network.",
                where=(graph.layer_name(layer),),
                evidence=f"approximate root mean square {size:.2g} here for an input of 1, after "
                f"{depth} layers: ×{size ** (1 / depth):.2g} a layer",
            )
            return


def has_no_numbers(subject: Subject) -> bool:
    """Return whether the weights are without numbers (meta device), so that nothing is checked."""
    module = subject.module
    return module is not None and any(weight.is_meta for weight in module.parameters())


def _normalised(subject: Subject, layer: Layer) -> bool:
    """Return whether a normalisation follows at once, which makes up for any scale."""
    reading = list(subject.graph.reading(layer.result))
    norms = BATCH_NORMS | DATA_NORMS
    return bool(reading) and all(operation.kind in norms for operation in reading)


RULES: Final = (
    Rule(
        id="check/initialisation",
        severity="warning",
        meaning="The initial weights do not fit the activations: the variance of the signal, "
        "followed through the graph from the second moments of the real weights (approximate; "
        "biases apart), vanishes or explodes. Not checked where weights have no numbers.",
        threshold=f"a factor of {RANGE:g}",
        confidence=0.6,
        remedy="Draw weights with variance 2 / fan-in before ReLU (kaiming_normal_), 1 / fan-in "
        "before tanh (xavier_normal_), or normalise.",
        source="he2015delving",
        find=_initialisation,
    ),
)
