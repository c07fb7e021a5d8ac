"""Bugs of real programs, written anew from their published descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from benchmarks.doctor.real_bugs import published, threads
from benchmarks.doctor.real_bugs.bug import Bug

FAMILIES: Final[tuple[ModuleType, ...]] = (published, threads)

BUGS: Final[Mapping[str, Bug]] = MappingProxyType(
    {bug.name: bug for module in FAMILIES for bug in module.BUGS}
)
FILES: Final[Mapping[str, ModuleType]] = MappingProxyType(
    {bug.name: module for module in FAMILIES for bug in module.BUGS}
)
