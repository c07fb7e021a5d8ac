"""The immutable graph of the operations that one forward pass of a network really runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubel.tracing.fields import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A tensor that flows through the network: one version of it, after the operation made it."""

    id: int
    """Its place in `Trace.values`."""
    shape: tuple[int, ...]
    dtype: str
    """As `float32`."""
    bytes_each: int
    """Bytes of one element."""
    storage: int
    """Values with the same number share their memory: views, and what in-place operations leave."""
    operation: int | None
    """The operation that made it; None for an input of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A parameter or buffer of the network."""

    id: int
    """Its place in `Trace.weights`."""
    names: tuple[str, ...]
    """Every name under which modules hold it: more than one where it is shared."""
    shape: tuple[int, ...]
    dtype: str
    bytes_each: int
    trainable: bool
    buffer: bool
    """Whether it is a buffer (running statistics, fixed codes) rather than a parameter."""


@dataclass(frozen=True, slots=True)
class ValueRef:
    """Stands in an operation's arguments for a value."""

    id: int


@dataclass(frozen=True, slots=True)
class WeightRef:
    """Stands in an operation's arguments for a parameter or buffer, or a view or cast of one."""

    id: int
    shape: tuple[int, ...]
    """Its shape as the operation sees it (a transposed matrix, a kernel spread by an index)."""


@dataclass(frozen=True, slots=True)
class ConstantRef:
    """Stands in an operation's arguments for a tensor that depends on neither input nor weight."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation that ran on the data, in the order of execution.

    Operations that only prepare weights or constants (transposing a matrix) are not listed.
    """

    id: int
    """Its place in `Trace.operations`."""
    kind: str
    """Name of the operator without namespace, overload and the trailing underscore of in-place
    versions: `convolution`, `addmm`, `native_batch_norm`, `relu`, `add`, `cat`, `view`."""
    operator: str
    """Full name: `aten.convolution.default`."""
    arguments: Mapping[str, Any]
    """Every argument by its name in the operator's schema, defaults filled in; tensors stand as
    ValueRef, WeightRef or ConstantRef, also inside lists."""
    inputs: tuple[int, ...]
    """Values that it reads, in order of the arguments; then, where it writes in place, the former
    versions of other views of that memory (see `outputs`)."""
    weights: tuple[int, ...]
    """Weights that it reads."""
    outputs: tuple[int, ...]
    """Values that it makes. An in-place operation makes a new version of the value that it writes
    to; and after those that it returns, a new version of every other view of that memory (also of
    the tensor that it is a view of) which is read later: old content with what was written."""
    in_place: bool
    caller: int
    """The innermost module call that runs it: its place in `Trace.calls`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleCall:
    """One call of one module's forward; a module called twice has two."""

    id: int
    """Its place in `Trace.calls`; 0 is the network itself."""
    path: str
    """Name in `named_modules`, the first one where a module has several; empty for the network.
    A module that `named_modules` does not know (made inside forward) is called after its caller and
    its class: `features.Softmax()`."""
    call: int
    """0 for the module's first call, 1 for its second…"""
    kind: str
    """Name of its class."""
    parent: int | None
    """The module call that made this one."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    """Values that it takes and returns, nested containers flattened."""
    operations: tuple[int, int]
    """First operation and the one after the last, inner modules included."""
    depth: int
    """0 for the network itself."""
    training: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A network as it runs on one input shape: operations, values, weights, module calls."""

    model: str
    """Its name."""
    input_shapes: tuple[tuple[int, ...], ...]
    """With the batch dimension, which is 1 unless asked otherwise."""
    values: tuple[Value, ...]
    weights: tuple[Weight, ...]
    operations: tuple[Operation, ...]
    calls: tuple[ModuleCall, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...] = ()
    """How it was traced, where that is not the usual way."""

    def receptive_field(
        self, layer: str, unit: Sequence[int], *, call: int = 0, clipped: bool = True
    ) -> Region:
        """Return the box of the picture that one unit of a layer's output sees.

        `layer` is its name in `named_modules`; `unit` is (row, column), an index into the
        dimensions on which the picture's axes lie, or an index into all dimensions but the
        batch's. Clipped, the box is exact and inside the picture; otherwise it is the nominal one,
        which goes on inside padding. Each call follows the whole network: for many units, ask
        `hubel.analysis.receptive_fields(trace).region`.
        Errors: UsageError for a layer, call or unit that is not there.
        """
        from hubel.tracing.fields import layer_region, propagate

        return layer_region(self, propagate(self), layer, unit, call=call, clipped=clipped)
