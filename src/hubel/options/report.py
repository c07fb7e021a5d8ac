"""Options of `hubel report`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Write one self-contained HTML file about a run."""

    out: Path | None = None
    """The file [default: report.html in the run folder]."""

    json: bool = False
    """Print one JSON document on standard output, all else on standard error."""
