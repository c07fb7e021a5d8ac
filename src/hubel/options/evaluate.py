"""Options of `hubel evaluate`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """Measure a trained network on a split of its own source, or on another source."""

    split: Literal["train", "val", "test", "all"] = "test"
    """Which split; a source without splits is taken whole."""

    unknown_error: float | None = None
    """Wanted error rate among the answers that are given; less certain pictures are "unknown"
    [default: what the run was calibrated for, else 0.05]."""

    worst: int = 24
    """How many of the pictures with the highest loss to list."""

    batch: int = 256
    """Pictures a step."""

    device: str = "auto"
    """Where to compute: cpu, cuda, cuda:NUMBER or mps [default: cuda, else mps, else cpu]."""

    threads: int | None = None
    """Threads of the arithmetic [default: one a processor]."""

    trust_code: bool = False
    """Run the Python file that made the run's network."""

    json: bool = False
    """Print one JSON document on standard output, all else on standard error."""
