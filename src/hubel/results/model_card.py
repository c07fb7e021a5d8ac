"""`model.json`: everything but the weights that one must know to use a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hubel.results.inspection import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A trained network without its weights."""

    architecture: str
    arguments: dict[str, Any]
    """What the architecture's builder was called with (JSON values)."""
    input_shape: tuple[int, int, int]
    """Channels, height, width."""
    task: Task
    classes: tuple[str, ...]
    """Names of the outputs, in order."""
    preprocessing: dict[str, Any]
    """The preprocessing object, as `hubel.data.Preprocessing.to_json` gives it."""
    weights: Literal["last", "ema", "best", "best-ema"]
    """Which weights were kept in `model.safetensors`."""
    params: int
    code_digest: str
    """SHA-256 of the Python file that made the network; empty for a known architecture."""
    mirror_tta: bool
    """Whether predictions average the picture and its mirror image."""
