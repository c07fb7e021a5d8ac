"""The table of hubel's own networks: name, builder, sizes, source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from torch import nn

from hubel.architectures import hubelnet, lenet5

Builder = Callable[..., nn.Module]
"""Called with outputs=, channels=, size= and the network's own arguments; draws fresh weights from
torch's global generator. The network turns (n, channels, size, size) into (n, outputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What is known of a network without building it."""

    name: str
    build: Builder
    least_size: int
    """Side of the smallest square input, in pixels."""
    design_size: int
    """Side it was designed for; larger inputs are possible unless `fixed_size`."""
    fixed_size: bool = False
    year: int
    source: str
    """Bibliography key."""
    summary: str
    other_tasks: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Arguments for tasks other than classification, where the default ones do not fit them."""

    def arguments(self) -> tuple[str, ...]:
        """Return the names of the builder's own arguments."""
        known = inspect.signature(self.build).parameters
        return tuple(name for name in known if name not in {"outputs", "channels", "size"})


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "hubelnet": Architecture(
        name="hubelnet",
        build=hubelnet.build,
        least_size=8,
        design_size=128,
        year=2026,
        source="hubel",
        summary="small residual network for any input size, fast on processors; the default",
    ),
    "lenet5": Architecture(
        name="lenet5",
        build=lenet5.build,
        least_size=32,
        design_size=32,
        fixed_size=True,
        year=1998,
        source="lecun1998gradient",
        summary="LeNet-5: trainable subsampling, the C3 connection table, fixed RBF output",
        other_tasks={"output": "linear"},
    ),
}
