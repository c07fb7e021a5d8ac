"""Batch normalisation in the wrong company."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from torch import nn

from hubel.analysis.lint.kinds import BATCH_NORMS
from hubel.analysis.lint.layers import Layer
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import by, count, some
from hubel.tracing.trace import Operation

DROPOUTS: Final = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def _norms(subject: Subject) -> list[Operation]:
    """Return the live batch normalisations."""
    trace, graph = subject.trace, subject.graph
    return [o for o in trace.operations if o.kind in BATCH_NORMS and o.id in graph.live]


def _bias_before_bn(subject: Subject) -> Iterator[Hit]:
    graph = subject.graph
    found: list[Layer] = []
    for layer in graph.layers:
        if layer.bias is None:
            continue
        reading = list(graph.reading(layer.result))
        if reading and all(operation.kind in BATCH_NORMS for operation in reading):
            found.append(layer)
    if found:
        yield Hit(
            what=f"{count(len(found), 'layer has', 'layers have')} a bias that the batch "
            "normalisation after it takes away again.",
            where=tuple(graph.layer_name(layer) for layer in found),
            evidence=f"{sum(layer.outputs for layer in found):,} parameters without effect",
        )


def _dropout_before_bn(subject: Subject) -> Iterator[Hit]:
    """Follow what dropout touches, operation by operation, to the next batch normalisation.

    In evaluation dropout returns its input itself, so that a value is touched from the call on.
    """
    graph, trace = subject.graph, subject.trace
    if subject.module is None or not _norms(subject):
        return
    modules = dict(subject.module.named_modules())
    starts: dict[int, list[tuple[int, str]]] = {}
    for call in trace.calls:
        dropout = modules.get(call.path)
        if isinstance(dropout, DROPOUTS) and dropout.p > 0:
            for value in call.outputs:
                starts.setdefault(call.operations[0], []).append((value, call.path))
    touched: dict[int, frozenset[str]] = {}
    reached: dict[str, str] = {}
    for operation in trace.operations if starts else ():
        for value, path in starts.get(operation.id, ()):
            touched[value] = touched.get(value, frozenset()) | {path}
        paths = frozenset[str]().union(*(touched.get(v, ()) for v in operation.inputs))
        if operation.kind in BATCH_NORMS:
            for path in paths:
                reached.setdefault(path, graph.name(operation))
        if paths:
            touched.update(dict.fromkeys(operation.outputs, paths))
    if reached:
        yield Hit(
            what=f"Dropout stands before batch normalisation in {count(len(reached), 'place')}: "
            "the variance that was learned in training is not the one at test time.",
            where=tuple(sorted(reached)),
            evidence=some([f"{dropout} → {norm}" for dropout, norm in sorted(reached.items())]),
        )


def _bn_image_to_image(subject: Subject) -> Iterator[Hit]:
    trace, norms = subject.trace, _norms(subject)
    if not (norms and subject.picture):
        return
    channels = trace.input_shapes[0][1]
    for value in trace.outputs:
        shape = trace.values[value].shape
        larger = len(shape) == len(trace.input_shapes[0]) and all(
            side >= before for side, before in zip(shape[2:], subject.picture, strict=True)
        )
        if larger and shape[1] == channels:
            yield Hit(
                what="The network turns a picture into a picture, and normalises by batches: "
                "contrast and brightness of the single picture are lost.",
                where=tuple(subject.graph.name(operation) for operation in norms),
                evidence=f"output {by(shape[1:])} from input {by(trace.input_shapes[0][1:])}; "
                f"{count(len(norms), 'batch normalisation')}",
            )
            return


RULES: Final = (
    Rule(
        id="check/dropout-before-bn",
        severity="warning",
        meaning="Dropout stands somewhere before a batch normalisation: dropout changes the "
        "variance in training only, and the running variance does not fit at test time.",
        remedy="Put dropout after the last batch normalisation, or leave it out.",
        source="li2019understanding",
        find=_dropout_before_bn,
    ),
    Rule(
        id="check/bn-image-to-image",
        severity="warning",
        meaning="Batch normalisation in a network whose output is a picture like its input: it "
        "takes the range of the single picture away, and adds the noise of the batch.",
        confidence=0.7,
        remedy="Leave the normalisation out, or normalise each picture for itself.",
        source="lim2017enhanced",
        find=_bn_image_to_image,
    ),
    Rule(
        id="check/bias-before-bn",
        severity="note",
        meaning="A layer right before batch normalisation has a bias: subtracting the mean removes "
        "it.",
        remedy="Build the layer with bias=False.",
        source="ioffe2015batch",
        find=_bias_before_bn,
    ),
)
