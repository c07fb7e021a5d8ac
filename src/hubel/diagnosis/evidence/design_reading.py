"""The network's design: its operations, and what the rules of `check` find in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel.analysis import receptive_fields
from hubel.analysis.lint import Subject as Read
from hubel.analysis.lint import lint
from hubel.analysis.lint.kinds import ACTIVATIONS, MAXIMA
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.errors import HubelError
from hubel.results import Finding
from hubel.tracing import trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A network as it runs on the training's pictures."""

    findings: tuple[Finding, ...]
    """Of all rules of `check`, errors first."""
    widest: int
    """Channels of its widest layer before the last; 0 where there is none."""
    narrowest: int
    """Channels of its narrowest one, depthwise convolutions and gates counted too."""
    convolutions: int
    spatial: int
    """Convolutions that look at more than one pixel."""
    flattens: bool
    """Whether a fully-connected layer reads whole maps, place by place."""
    bends: int
    """Activations and maxima."""


def read_design(setting: Setting, subject: Subject | None) -> Design | Unknown:
    """Return the design of a training's network, read on a copy without numbers."""
    if subject is None:
        return Unknown(why="the network is not at hand")
    if not setting.input_shape:
        return Unknown(why="the shape of the pictures is not known")
    module = subject.network()
    try:
        traced = trace(module, setting.input_shape)
        read = Read(
            trace=traced,
            fields=receptive_fields(traced).by_value,
            module=module,
            trace_training=lambda: trace(module, setting.input_shape, batch=2, training=True),
        )
        return _design(read)
    except HubelError as problem:
        return Unknown(why=f"the network could not be read: {str(problem).rstrip('.')}")
    except Exception as problem:  # noqa: BLE001 - any network can be trained, readable or not
        return Unknown(why=f"the network could not be read ({type(problem).__name__})")


def _design(read: Read) -> Design:
    graph = read.graph
    widths = [layer.outputs for layer in graph.layers[:-1]]
    convolutions = [layer for layer in graph.layers if layer.convolves]
    flattens = any(
        len(before) == 2 + len(read.picture) and math.prod(before[2:]) > 1
        for layer in graph.layers
        if not layer.convolves
        for before in (read.trace.values[graph.unfolded(layer.source)].shape,)
    )
    return Design(
        findings=lint(read),
        widest=max(widths, default=0),
        narrowest=min(widths, default=0),
        convolutions=len(convolutions),
        spatial=sum(layer.spatial for layer in convolutions),
        flattens=flattens,
        bends=sum(
            operation.kind in ACTIVATIONS or operation.kind in MAXIMA
            for operation in read.trace.operations
        ),
    )
