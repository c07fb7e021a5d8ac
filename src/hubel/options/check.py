"""Options of `hubel check`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """Read networks before they are trained: shapes, fields, costs, memory, design rules."""

    input: str | None = None
    """Shape of one input, channels first, as 3x224x224 [default: what the network was made for]."""

    batch: int = 1
    """Pictures at once; costs and memory are for all of them."""

    object: str | None = None
    """Side of the objects in the pictures, as 40px, to compare the receptive fields with."""

    outputs: int | None = None
    """Outputs of the network [default: what the network was made for]."""

    model_arguments: tuple[str, ...] = ()
    """Arguments of the networks, as NAME=VALUE: output=linear (lenet5), width=24 (hubelnet)."""

    silence: tuple[str, ...] = ()
    """Design rules that are left out, by id: check/even-kernel."""

    depth: int | None = None
    """Levels of modules that the table shows; deeper layers are added up [default: as many as fit
    on 60 lines]."""

    measure: bool = False
    """Measure memory and speed on this machine's processor too."""

    effective: bool = False
    """Measure by gradients what the last maps really use of the picture, and draw it."""

    html: Path | None = None
    """Write a page with the drawing of the network to this file."""

    picture: Path | None = None
    """Picture on which the page shows receptive fields [default: a photograph of a flower]."""

    markdown: bool = False
    """Print Markdown on standard output, all else on standard error."""

    trust_code: bool = False
    """Run the Python file that made a run's network."""

    json: bool = False
    """Print one JSON document on standard output, all else on standard error; a list of several
    networks."""
