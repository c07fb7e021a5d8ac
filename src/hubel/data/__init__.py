"""From a source of pictures to batches of tensors."""

from hubel.data.source import Index, Raw, Source

__all__ = ["Index", "Raw", "Source"]
