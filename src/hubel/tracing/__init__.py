"""From any nn.Module to an immutable trace of the operations that it really runs."""

from hubel.tracing.recording import RefusedInputError, trace
from hubel.tracing.trace import (
    ConstantRef,
    ModuleCall,
    Operation,
    Trace,
    Value,
    ValueRef,
    Weight,
    WeightRef,
)
from hubel.tracing.weightless import Weightless

__all__ = [
    "ConstantRef",
    "ModuleCall",
    "Operation",
    "RefusedInputError",
    "Trace",
    "Value",
    "ValueRef",
    "Weight",
    "WeightRef",
    "Weightless",
    "trace",
]
