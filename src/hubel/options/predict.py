"""Options of `hubel predict`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """Say what is on pictures: files, folders, patterns, or - for a list on standard input."""

    top: int = 5
    """How many classes to list a picture."""

    csv: Path | None = None
    """Write the answers to this CSV file too."""

    batch: int = 64
    """Pictures a step."""

    device: str = "auto"
    """Where to compute: cpu, cuda, cuda:NUMBER or mps [default: cuda, else mps, else cpu]."""

    threads: int | None = None
    """Threads of the arithmetic [default: one a processor]."""

    trust_code: bool = False
    """Run the Python file that made the run's network."""

    json: bool = False
    """Print one JSON line a picture on standard output, all else on standard error."""
