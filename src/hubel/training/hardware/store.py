"""What was measured, kept in the user's cache folder, so that the same run chooses the same again.

One file a machine: processor, torch version, threads and device make its name. It can be deleted at
any time. A file that cannot be read counts as none, one that cannot be written stops nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import torch

from hubel.errors import RunError
from hubel.options.train import Precision
from hubel.results.cache_folder import cache_folder
from hubel.results.files import read_json, write_json
from hubel.training.hardware.machine import Machine, machine_key, measure_machine

Kept = TypeVar("Kept")

MOST_KEPT: Final = 200
"""Networks and convolutions whose timing is kept; the oldest goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a training step of a network took, computed in one way."""

    precision: Precision
    channels_last: bool
    threads: int
    ms: float
    """Of the fastest step."""

    def name(self) -> str:
        """Return the way of computing in words."""
        layout = "channels-last" if self.channels_last else "contiguous"
        plural = "s" if self.threads > 1 else ""
        return f"{self.precision} {layout} on {self.threads} thread{plural}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What was measured of a network."""

    pictures: int
    """Of the timed steps."""
    timings: tuple[Timing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What torch.compile does for a network."""

    plain_ms: float
    """A step as it is."""
    compiled_ms: float
    compile_s: float
    """How long compiling took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolved:
    """How long a convolution and its gradients take."""

    direct_ms: float
    """The fastest time as PyTorch computes them."""
    winograd_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The content of a machine's file."""

    machine: Machine
    networks: dict[str, Timed] = field(default_factory=dict[str, Timed])
    compiled: dict[str, Compiled] = field(default_factory=dict[str, Compiled])
    convolved: dict[str, Convolved] = field(default_factory=dict[str, Convolved])


class Store:
    """What is known of one machine, read once and written as it grows."""

    path: Path
    known: Known
    is_new: bool
    """Whether the machine was measured just now."""

    def __init__(self, device: torch.device, *, anew: bool = False) -> None:
        """Read what is known of `device` here; measure the machine where nothing is, or `anew`."""
        self.path = cache_folder() / f"machine-{machine_key(device)}.json"
        found = None if anew else self._read()
        self.is_new = found is None
        self.known = found or Known(machine=measure_machine(device))
        self._convolved: dict[str, Convolved] = {}  # Of this run alone.
        if self.is_new:
            self._write()

    def timed(self, key: str) -> Timed | None:
        """Return what was measured of a network; None where nothing was."""
        return self.known.networks.get(key)

    def keep_timed(self, key: str, timed: Timed) -> Timed:
        """Keep what was measured; where another process was first, its measurement counts."""
        latest = self._latest()
        known = latest.networks.get(key, timed)
        rest = {name: one for name, one in latest.networks.items() if name != key}
        self.known = replace(latest, networks=_newest({**rest, key: known}))
        self._write()
        return known

    def compiled(self, key: str) -> Compiled | None:
        """Return what torch.compile does for a network; None where it was not tried."""
        return self.known.compiled.get(key)

    def keep_compiled(self, key: str, compiled: Compiled) -> None:
        """Keep what torch.compile did for a network."""
        latest = self._latest()
        rest = {name: one for name, one in latest.compiled.items() if name != key}
        self.known = replace(latest, compiled=_newest({**rest, key: compiled}))
        self._write()

    def convolved(self, key: str) -> Convolved | None:
        """Return how long a convolution takes; None where it was not measured."""
        return self.known.convolved.get(key) or self._convolved.get(key)

    def keep_convolved(self, found: dict[str, Convolved], *, lasting: bool) -> dict[str, Convolved]:
        """Keep how long convolutions take: for this run, or `lasting`, in the file.

        Where another process was first to write to the file, its figures count.
        """
        if not lasting:
            self._convolved |= found
            return found
        latest = self._latest()
        known = {name: latest.convolved.get(name, one) for name, one in found.items()}
        rest = {name: one for name, one in latest.convolved.items() if name not in found}
        self.known = replace(latest, convolved=_newest({**rest, **known}))
        self._write()
        return known

    def _latest(self) -> Known:
        """Return the file's content, which another process may have added to, else one's own."""
        return self._read() or self.known

    def _read(self) -> Known | None:
        try:
            return read_json(self.path, Known)
        except RunError:  # missing, damaged, or written by another version
            return None

    def _write(self) -> None:
        # A folder that cannot be written costs the next run a measurement, and nothing else.
        with suppress(OSError, RunError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, self.known)


def _newest(kept: dict[str, Kept]) -> dict[str, Kept]:
    """Return the entries that were added last, at most `MOST_KEPT`."""
    return dict(list(kept.items())[-MOST_KEPT:])
