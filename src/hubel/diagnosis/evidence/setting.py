"""The parts of a training, as facts: parameters, modules, optimizer, loss, scheduler, data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

LossKind = Literal[
    "cross-entropy", "nll", "bce", "bce-logits", "mse", "l1", "smooth-l1", "margin", "unknown"
]
Reduction = Literal["mean", "sum", "none", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterFact:
    """One parameter of the network."""

    name: str
    shape: tuple[int, ...]
    trainable: bool
    """`requires_grad`."""
    group: int | None
    """Its group in the optimizer; None where the optimizer does not have it."""
    reached: bool = True
    """Whether the first backward gave it a gradient (not None)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFact:
    """One leaf module of the network."""

    path: str
    kind: str
    called: bool = True
    """Whether the first forward called it."""
    training: bool = True
    """Its mode in the first training step."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Numbers that matter: p (dropout), momentum and eps (normalisation), kernel_size, out_features
    …"""


_ADAPTIVE: Final = frozenset(
    {"Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "DampedRMSprop"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerFact:
    """The optimizer as it stood before its first update."""

    kind: str
    """Name of the class."""
    groups: tuple[Mapping[str, float], ...]
    """The numbers of each group: lr, momentum, weight_decay, eps, beta1, beta2 …"""
    strangers: int = 0
    """Tensors that it has and the network has not."""

    @property
    def adapts(self) -> bool:
        """Whether it divides by the gradient's size, so that a factor of the loss is not felt."""
        return self.kind in _ADAPTIVE

    @property
    def adds_decay(self) -> bool:
        """Whether the decay is added to the gradients, and is divided with them if it adapts."""
        apart = self.kind == "AdamW"
        return not apart and any(group.get("weight_decay", 0.0) > 0 for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossFact:
    """The loss, read from the graph between the network's output and the loss tensor."""

    kind: LossKind
    reduction: Reduction
    negated: bool
    """Whether its sign was turned around."""
    activations: tuple[str, ...]
    """Activations between the last layer with weights and the loss, the last first: ("softmax",).
    A softmax inside of the loss (cross-entropy) is not among them."""
    chain: tuple[str, ...]
    """Names of the operations from the loss down, as autograd has them."""
    outputs_shape: tuple[int, ...] = ()
    targets_shape: tuple[int, ...] = ()
    scale: float = 1.0
    """Constant factor after the reduction, as 1/4 of accumulation; 1 where not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerFact:
    """The learning-rate scheduler."""

    kind: str
    numbers: Mapping[str, float]
    """T_max, step_size, gamma …"""
    steps_a_pass: float
    """How often it was stepped, a pass over the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All parts of a training. What is not known is None."""

    origin: Literal["hubel", "loop"]
    task: Literal["classification", "multilabel", "regression", "unknown"]
    outputs: int | None = None
    """Width of the last layer."""
    classes: int | None = None
    """Different labels seen, or known of the data."""
    pictures: int | None = None
    """Of the training data."""
    batch: int | None = None
    steps_a_pass: int | None = None
    planned_steps: int | None = None
    shuffled: bool | None = None
    """What the loader's sampler says."""
    input_shape: tuple[int, ...] = ()
    precision: str = "float32"
    loss_scaling: bool | None = None
    """Whether the loss is multiplied before backward, as gradient scalers do; None if unknown."""
    parameters: tuple[ParameterFact, ...] = ()
    hidden: tuple[ParameterFact, ...] = ()
    """Parameters that a module of the network holds without registering them (in a Python list);
    `reached` tells whether the network's outputs depend on them."""
    modules: tuple[ModuleFact, ...] = ()
    optimizer: OptimizerFact | None = None
    loss: LossFact | None = None
    scheduler: SchedulerFact | None = None
    has_validation: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of `hubel train`, by name; empty for other loops."""
