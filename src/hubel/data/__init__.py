"""From a source of pictures to batches of tensors.

The names that need torch are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from hubel.data.source import Index, Raw, Source

if TYPE_CHECKING:
    from hubel.data.augmentation import Augmentation
    from hubel.data.batching import Batch, BatchLoader
    from hubel.data.decoding import decode, probe
    from hubel.data.preprocessing import Preprocessing
    from hubel.data.preview import write_preview

__all__ = [
    "Augmentation",
    "Batch",
    "BatchLoader",
    "Index",
    "Preprocessing",
    "Raw",
    "Source",
    "decode",
    "probe",
    "write_preview",
]

_HOME: Final = {
    "Augmentation": "hubel.data.augmentation",
    "Batch": "hubel.data.batching",
    "BatchLoader": "hubel.data.batching",
    "Preprocessing": "hubel.data.preprocessing",
    "decode": "hubel.data.decoding",
    "probe": "hubel.data.decoding",
    "write_preview": "hubel.data.preview",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'hubel.data' has no attribute {name!r}")
