"""Options of `hubel models`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsOptions:
    """List the networks, or show one: the table of its paper, and its drawing."""

    draw: Path | None = None
    """Write the drawing of the network to this SVG file."""

    json: bool = False
    """Print one JSON document on standard output, all else on standard error."""
