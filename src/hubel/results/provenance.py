"""Where a result comes from: versions, hardware, seed, digests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What one must know to make the same result again."""

    hubel: str
    python: str
    torch: str
    packages: dict[str, str]
    platform: str
    processor: str
    threads: int
    seed: int
    data_digest: str
    """SHA-256 over the keys, labels and splits of the source and the bytes of its pictures."""
    model_digest: str
    """SHA-256 of the weights; empty before there are any."""
    command: str
