"""The receptive field of every module of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hubel.results.check import Field
from hubel.tracing.fields import (
    Propagation,
    Region,
    dimensions_of,
    field_of,
    layer_region,
    propagate,
)
from hubel.tracing.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerField:
    """The receptive field of one call of one module."""

    path: str
    """Name in `named_modules`; empty for the network itself."""
    call: int
    """0 for the first call of the module."""
    kind: str
    """Name of its class."""
    value: int
    """Its first output: its place in `Trace.values`."""
    receptive_field: Field | None
    """None where the output shows nothing of the picture's axes, or was not analysed."""
    dimensions: tuple[int | None, ...]
    """For each axis of the picture, the dimension of the output on which it lies, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptiveFields:
    """The receptive fields of a network: going through them gives one entry a module path.

    Of a module that is called several times that is the last call; `layers` has every call.
    """

    layers: tuple[LayerField, ...]
    """One for every module call that makes a tensor, in order of execution."""
    by_value: Mapping[int, Field | None]
    """For every value of the trace."""
    not_analysed: tuple[str, ...]
    """Operations without a rule, by name; what comes after them has no field."""
    notes: tuple[str, ...]
    """Branches that join out of line, and answers that are upper bounds."""
    trace: Trace
    propagation: Propagation

    def __iter__(self) -> Iterator[LayerField]:
        """Go through the modules, each with its last call."""
        return iter({layer.path: layer for layer in self.layers}.values())

    def __len__(self) -> int:
        """Return the number of modules that make a tensor."""
        return len({layer.path for layer in self.layers})

    def region(
        self, layer: str, unit: Sequence[int], *, call: int = 0, clipped: bool = True
    ) -> Region:
        """Return what one unit of a layer sees; see `receptive_field`."""
        return layer_region(self.trace, self.propagation, layer, unit, call=call, clipped=clipped)


def receptive_fields(trace: Trace) -> ReceptiveFields:
    """Return the receptive field of every module that makes a tensor, containers included.

    A layer with kernel k, dilation d, stride s and padding p on fields of size r, jump j and start
    a makes fields of size r + (k − 1)·d·j, jump j·s and start a − p·j, in pixels; joined branches
    see the union. These are the numbers that are published; they go on inside padding. The exact
    box of each unit is given by `ReceptiveFields.region`.
    Source: araujo2019computing.
    """
    propagation = propagate(trace)
    known: dict[int, Field | None] = {}
    dimensions: dict[int, tuple[int | None, ...]] = {}
    by_value: dict[int, Field | None] = {}
    for value, fields in enumerate(propagation.maps):
        if id(fields) not in known:
            known[id(fields)] = field_of(fields)
            dimensions[id(fields)] = () if fields is None else dimensions_of(fields)
        by_value[value] = known[id(fields)]
    layers = tuple(
        LayerField(
            path=call.path,
            call=call.call,
            kind=call.kind,
            value=call.outputs[0],
            receptive_field=by_value[call.outputs[0]],
            dimensions=dimensions[id(propagation.maps[call.outputs[0]])],
        )
        for call in trace.calls
        if call.outputs
    )
    return ReceptiveFields(
        layers=layers,
        by_value=by_value,
        not_analysed=propagation.not_analysed,
        notes=propagation.notes,
        trace=trace,
        propagation=propagation,
    )


def receptive_field(
    trace: Trace, layer: str, unit: Sequence[int], *, call: int = 0, clipped: bool = True
) -> Region:
    """Return the box of the picture that one unit of a layer sees: `Trace.receptive_field`."""
    return trace.receptive_field(layer, unit, call=call, clipped=clipped)
