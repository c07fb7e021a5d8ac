"""The faults, one family a file; the table of all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from benchmarks.doctor.faults import (
    design,
    fitting,
    initialisation,
    labels,
    loop,
    loss_form,
    pictures,
    rates,
    weights,
)
from benchmarks.doctor.faults.fault import Fault

FAMILIES: Final = (
    loop, weights, loss_form, design, initialisation, rates, fitting, labels, pictures
)  # fmt: skip

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {fault.name: fault for family in FAMILIES for fault in family.FAULTS}
)
