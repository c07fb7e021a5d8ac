"""What surrounds one training: who watches it, which processes share it, and what it holds open."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from hubel.training.distribution import World
from hubel.workflows.locking import RunLock
from hubel.workflows.watching import Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One call of `train`, in one process."""

    watcher: Watcher
    """Says nothing but in the process that writes."""
    world: World
    lock: RunLock
    """Taken by the process that writes."""
    resources: ExitStack
    """Closed when the training ends, however it does."""
    began: float
    """Reading of `perf_counter` at the start, which a budget counts from."""
