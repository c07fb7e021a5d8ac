"""What is known of a network without building it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from hubel.results import PublishedErrors

__all__ = ["Architecture", "Builder", "PublishedErrors", "PublishedWeights"]

Builder = Callable[..., nn.Module]
"""Called with outputs=, channels=, size= and the network's own arguments; draws fresh weights from
torch's global generator. The network turns (n, channels, size, size) into (n, outputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """Where trained weights of a network are, and the arguments under which they fit it."""

    origin: str
    """`torchvision:NAME.ENTRY`, `timm:NAME.TAG` or `package:NAME`, each read by its own
    mechanism."""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Arguments of the builder with which tensor after tensor of the file fits, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What is known of a network without building it."""

    name: str
    builder: Builder
    variant: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Arguments of the builder that the name fixes, as {"depth": 50}; users cannot set them."""
    least_size: int
    """Side of the smallest square input, in pixels."""
    design_size: int
    """Side it was designed for; larger inputs are possible unless `fixed_size`."""
    fixed_size: bool = False
    design_outputs: int = 1000
    """Classes it was designed for."""
    design_channels: int = 3
    params: int
    """Parameters at the design size, channels and outputs, auxiliary heads included."""
    macs: int
    """Multiply-accumulates of convolutions and matrix products for one picture, at the design."""
    year: int
    source: str
    """Bibliography key."""
    summary: str
    errors: PublishedErrors | None = None
    weights: tuple[PublishedWeights, ...] = ()
    """The default ones first."""
    other_tasks: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Arguments for tasks other than classification, where the default ones do not fit them."""

    def build(self, *, outputs: int, channels: int, size: int, **arguments: Any) -> nn.Module:
        """Return the network with fresh weights: (n, channels, size, size) to (n, outputs)."""
        return self.builder(
            outputs=outputs, channels=channels, size=size, **self.variant, **arguments
        )

    def arguments(self) -> tuple[str, ...]:
        """Return the names of the builder's own arguments that a user may set."""
        known = inspect.signature(self.builder).parameters
        fixed = {"outputs", "channels", "size", *self.variant}
        return tuple(name for name in known if name not in fixed)
