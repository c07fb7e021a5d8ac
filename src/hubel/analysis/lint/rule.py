"""What a design rule is, what it looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import nn

from hubel.analysis.lint.graph import Graph
from hubel.results import Field, Finding, Severity
from hubel.tracing.trace import Trace


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A network at one input shape, with all that is known of it."""

    trace: Trace
    """In evaluation mode, at batch 1."""
    fields: Mapping[int, Field | None] = field(default_factory=dict[int, Field | None])
    """Receptive field of each value."""
    module: nn.Module | None = None
    """For what a trace does not hold: dropout rates, weights. Rules that need it are silent
    without it."""
    loss: str = "cross-entropy"
    """The loss that it will be trained with, as `hubel train --loss` names it."""
    object_px: float | None = None
    """Side of the objects in the pictures, in pixels of the input."""
    least_size: int | None = None
    """Smallest side that the network declares."""
    trace_training: Callable[[], Trace | None] | None = None
    """Makes the trace in training mode, None where that fails; called once, where a rule doubts
    what it sees."""

    @cached_property
    def graph(self) -> Graph:
        """The trace as the rules walk over it."""
        return Graph(self.trace)

    @cached_property
    def training(self) -> Graph | None:
        """The network as it runs in training; None where that cannot be known."""
        traced = self.trace_training() if self.trace_training is not None else None
        return None if traced is None else Graph(traced)

    @cached_property
    def picture(self) -> tuple[int, ...]:
        """Axes of the picture: (height, width); empty where the input is no picture."""
        shape = self.trace.input_shapes[0]
        return shape[2:] if len(shape) > 2 else ()

    @property
    def answers(self) -> bool:
        """Whether the output is one row of numbers a picture, as logits are."""
        shapes = [self.trace.values[value].shape for value in self.trace.outputs]
        return bool(shapes) and len(shapes[0]) == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that a rule found; where several layers have it, one hit names them all."""

    what: str
    """One sentence."""
    where: tuple[str, ...]
    evidence: str
    severity: Severity | None = None
    """Milder than the rule's where the case is."""
    remedy: str = ""
    """In place of the rule's where the case has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A design rule: its name, its meaning, and the function that looks for what breaks it."""

    id: str
    """`check/` and the name; `--silence` takes it."""
    severity: Severity
    meaning: str
    """What is wrong, in one sentence."""
    threshold: str = ""
    confidence: float = 1.0
    """1.0 where certain; lower where the rule is a rule of thumb."""
    remedy: str
    source: str
    """Bibliography key, or `hubel`."""
    find: Callable[[Subject], Iterable[Hit]]

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Give what the rule finds, in the shape that every finding has."""
        for hit in self.find(subject):
            yield Finding(
                id=self.id,
                what=hit.what,
                where=hit.where,
                evidence=hit.evidence,
                threshold=self.threshold,
                severity=hit.severity or self.severity,
                confidence=self.confidence,
                remedy=hit.remedy or self.remedy,
                source=self.source,
            )
