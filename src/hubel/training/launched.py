"""How this process was started: alone, or by torch's launcher as one of several."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LAUNCH_FOLDER: Final = "HUBEL_LAUNCH_FOLDER"
"""Environment variable: where processes that `--processes` started say how they ended."""
RUN_NOTE: Final = "run.txt"
"""File in that folder: where the run is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """This process among those of one launch; the defaults are those of a process alone."""

    rank: int = 0
    """From 0; the process of rank 0 decides and writes."""
    size: int = 1
    """Processes in all, on all machines."""
    local_rank: int = 0
    local_size: int = 1
    """Processes on this machine."""
    restarts: int = 0
    """How often the launcher has started all processes anew."""
    most_restarts: int = 0
    by_torch: bool = False
    """Whether torch's launcher started this process: torchrun, or hubel train --processes."""
    folder: Path | None = None
    """Of `hubel train --processes`; None under torchrun."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Launched:
        """Return what the variables say that torch's launcher sets."""
        if "TORCHELASTIC_RUN_ID" not in environment:
            return cls()
        folder = environment.get(LAUNCH_FOLDER)
        return cls(
            rank=int(environment["RANK"]),
            size=int(environment["WORLD_SIZE"]),
            local_rank=int(environment["LOCAL_RANK"]),
            local_size=int(environment["LOCAL_WORLD_SIZE"]),
            restarts=int(environment["TORCHELASTIC_RESTART_COUNT"]),
            most_restarts=int(environment["TORCHELASTIC_MAX_RESTARTS"]),
            by_torch=True,
            folder=Path(folder) if folder else None,
        )
