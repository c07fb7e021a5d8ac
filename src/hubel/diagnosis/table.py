"""The table of symptoms."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.symptom import Symptom
from hubel.diagnosis.symptoms import (
    design,
    fit,
    floor,
    gradients,
    initialisation,
    labels,
    loop,
    loss_course,
    loss_form,
    loss_shapes,
    normalisation,
    pictures,
    precision,
    rates,
    scheduling,
    speed,
    units,
    weights,
)

_FAMILIES: Final = (
    loop,
    scheduling,
    weights,
    loss_form,
    loss_shapes,
    design,
    loss_course,
    gradients,
    rates,
    units,
    initialisation,
    precision,
    speed,
    fit,
    floor,
    normalisation,
    labels,
    pictures,
)

SYMPTOMS: Final[Mapping[str, Symptom]] = MappingProxyType(
    {symptom.id: symptom for family in _FAMILIES for symptom in family.SYMPTOMS}
)
