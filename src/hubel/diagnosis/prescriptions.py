"""What to do about each cause: options of `hubel train` where options can, else words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hubel.diagnosis.case import Case
from hubel.results import Finding, Prescription

Options = Callable[[Case, Finding], Mapping[str, str]]
"""Works out the options of `hubel train` against one cause; none where no option can help."""

OPTIONS: Final[Mapping[str, Options]] = MappingProxyType({})
"""By id of the cause."""


def prescribe(case: Case, causes: Sequence[Finding]) -> tuple[Prescription, ...]:
    """Return a prescription for each cause, in their order."""
    found: list[Prescription] = []
    for cause in causes:
        options = dict(OPTIONS[cause.id](case, cause)) if cause.id in OPTIONS else {}
        code = "" if options else cause.remedy
        found.append(Prescription(cause=cause.id, what=cause.remedy, options=options, code=code))
    return tuple(found)
