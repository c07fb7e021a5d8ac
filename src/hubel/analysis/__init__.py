"""What a trace tells before any training: receptive fields, costs, memory, design lint."""

from hubel.analysis.effective import (
    EffectiveField,
    draw_effective_field,
    effective_receptive_field,
)
from hubel.analysis.receptive_fields import (
    LayerField,
    ReceptiveFields,
    receptive_field,
    receptive_fields,
)

__all__ = [
    "EffectiveField",
    "LayerField",
    "ReceptiveFields",
    "draw_effective_field",
    "effective_receptive_field",
    "receptive_field",
    "receptive_fields",
]
