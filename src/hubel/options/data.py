"""Options of `hubel data`."""

from dataclasses import dataclass
from pathlib import Path

from hubel.options.preprocessing import PreprocessingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions(PreprocessingOptions):
    """Inspect pictures: what is there, and what is wrong with it."""

    out: Path | None = None
    """Folder for the page, the JSON and the preview [default: runs/data-NAME]."""

    preview: bool = False
    """Write pictures before and after each preprocessing step, and augmented, labelled batches."""

    augment: tuple[str, ...] = ("safe",)
    """Augmentation sets shown by --preview: none, safe, mirror, shift, crop, mixup, cutmix,
    erasing, randaugment."""

    shards: Path | None = None
    """Write the pictures as tar shards in the WebDataset layout into this new folder."""

    shard_mb: int = 256
    """Size of a shard, in megabytes; the last picture may exceed it."""

    seed: int = 0
    """Seed of the splits that hubel makes and of the preview."""

    threads: int | None = None
    """Threads that decode pictures [default: one a processor]."""

    json: bool = False
    """Print one JSON document on standard output, all else on standard error."""
