"""What a trace tells before any training: receptive fields, costs, memory, design lint."""

from hubel.analysis.receptive_fields import (
    LayerField,
    ReceptiveFields,
    receptive_field,
    receptive_fields,
)

__all__ = ["LayerField", "ReceptiveFields", "receptive_field", "receptive_fields"]
