"""A bug of a real program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.doctor.faults.fault import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A bug that somebody had and told of."""

    name: str
    source: str
    """Where it is described: a collection, and its key there."""
    described: str
    """What was wrong, in a sentence of our own."""
    bench: str
    change: Change
    accepted: tuple[str, ...]
    harm: Literal["accuracy", "reported"] = "accuracy"
