"""Receptive fields: what every unit of every value of a trace sees of the picture."""

from hubel.tracing.fields.field_map import FieldMap
from hubel.tracing.fields.propagation import Propagation, propagate
from hubel.tracing.fields.regions import (
    Region,
    dimensions_of,
    field_of,
    find_call,
    layer_region,
    region_of,
)
from hubel.tracing.fields.rules import FIELD_RULES

__all__ = [
    "FIELD_RULES",
    "FieldMap",
    "Propagation",
    "Region",
    "dimensions_of",
    "field_of",
    "find_call",
    "layer_region",
    "propagate",
    "region_of",
]
