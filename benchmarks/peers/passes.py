"""What measurements tell of passes over pictures (`scripts/passes.py`), and of versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.peers.arms import HUBEL, Measurement


def passes(measurement: Measurement) -> list[dict[str, Any]]:
    """Return the passes that a script told, in order."""
    return [event for event in measurement.events if event["event"] == "pass"]


def first_speed(measurement: Measurement) -> float:
    """Return the pictures a second of the first pass."""
    return float(passes(measurement)[0]["pictures_per_s"])


def later_speed(measurement: Measurement) -> float:
    """Return the pictures a second of all passes from the second on, taken together."""
    later = passes(measurement)[1:]
    return len(later) / sum(1 / float(one["pictures_per_s"]) for one in later)


def peak_memory(measurement: Measurement) -> int:
    """Return the most bytes that an arm held: of all its processes as sampled, or of one."""
    return max(measurement.tree_bytes or 0, measurement.peak_bytes)


def with_later(measurements: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    """Return by arm the measurements that have a second pass."""
    found: dict[str, list[Measurement]] = {}
    for one in measurements:
        if len(passes(one)) > 1:
            found.setdefault(one.arm, []).append(one)
    return found


def busiest(measurements: Iterable[Measurement]) -> str:
    """Return how busy the machine was before the arms, at most."""
    load = max((float(one.machine.get("load_before", 0)) for one in measurements), default=0.0)
    return f"Load of the machine before an arm: at most {load:.1f}."


def peer_versions(measurements: Iterable[Measurement]) -> list[str]:
    """Return the versions of the peers' packages, hubel's own left out."""
    return sorted(
        {
            f"{package} {version}"
            for one in measurements
            if one.peer != HUBEL
            for package, version in one.versions.items()
            if package not in ("torch", "torchvision")
        }
    )
