"""What `check` reads out of a network before it is trained."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.results.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The receptive field of a layer's units in the picture, one number an axis, in pixels."""

    size: tuple[int, ...]
    """Pixels that one unit sees, from the first to the last; the whole input for global layers."""
    stride: tuple[float, ...]
    """Pixels between the fields of neighbouring units (jump)."""
    start: tuple[float, ...]
    """Index of the first pixel of the first unit's field; negative inside padding."""
    whole: tuple[bool, ...]
    """Whether each unit sees the whole axis through a global layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One call of a module that has no modules inside, or a group of bare operations."""

    path: str
    """Name in `named_modules`; empty for operations of the network's own forward."""
    call: int
    """0 for the first call of the module."""
    kind: str
    """Class of the module, or names of the operations."""
    details: str = ""
    """What tells it from others of its kind: `3x3, stride 2, padding 1, 64 groups`."""
    depth: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    """With the batch dimension."""
    params: int
    """Of this call; 0 at later calls of a module, and for weights already counted elsewhere."""
    trainable_params: int
    connections: int
    """Pairs of an input unit and an output unit that a weight joins, biases included."""
    neurons: int
    """Elements of the output."""
    macs: int
    """Multiply-accumulates of convolutions and matrix products."""
    flops: int
    """All arithmetic of every operation; a multiply-accumulate counts two."""
    weight_bytes: int
    activation_bytes: int
    """Bytes of the outputs, without those that share an input's memory."""
    share: float
    """Share of the MACs of the whole network."""
    receptive_field: Field | None
    """None where the output lies on no axis of the picture, or was not analysed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTotal:
    """Sums over the network at the batch size asked for; params count shared weights once."""

    params: int
    trainable_params: int
    frozen_params: int
    shared_params: int
    buffers: int
    connections: int
    neurons: int
    macs: int
    flops: int
    weight_bytes: int
    activation_bytes: int
    inference_peak_bytes: int
    """Estimated from the graph."""
    training_peak_bytes: int
    """Estimated from the graph, for a step of the given batch with an adaptive optimizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured on this machine's CPU, on request."""

    inference_peak_bytes: int
    training_peak_bytes: int
    """Of a step with Adam."""
    seconds: float
    """Median of forward passes at the batch size asked for."""
    flops_per_second: float
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveField:
    """What the middle unit of a layer uses of the picture, measured by gradients."""

    layer: str
    size: tuple[int, ...]
    """The shortest stretch of pixels, per axis, that holds 95.45% of the gradient."""
    possible: tuple[int, ...]
    """Pixels of the picture that the unit can see."""
    sigma: tuple[float | None, ...]
    """Standard deviation of the Gaussian that fits best; None where none fits."""
    samples: int
    """Random inputs over which the gradient was averaged."""
    picture: str
    """The PNG that shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Everything that `check` says about one network at one input shape."""

    model: str
    input: tuple[int, ...]
    """Without the batch dimension: (3, 224, 224)."""
    batch: int
    layers: tuple[LayerRow, ...]
    total: CheckTotal
    not_analysed: tuple[str, ...]
    """Operations without a rule, by name; what they cost is in no sum."""
    findings: tuple[Finding, ...]
    edges: tuple[tuple[int, int], ...] = ()
    """Pairs of places in `layers`: the second reads what the first gives; -1 is the input."""
    notes: tuple[str, ...] = ()
    measured: Measured | None = None
    effective: EffectiveField | None = None
