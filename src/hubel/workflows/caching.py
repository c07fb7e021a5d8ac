"""The cache of decoded pictures of a training: opened beside the run, closed before its end."""

from __future__ import annotations

import shutil
from typing import Final

from hubel.data.cache import PictureCache
from hubel.data.dataset import Dataset
from hubel.results import Run
from hubel.workflows.watching import Watcher

_LEFT: Final = 0.9
"""Share of the free disk that a cache may take at most: checkpoints need some, too."""


def open_cache(limit: int, dataset: Dataset, run: Run) -> PictureCache:
    """Return an empty cache in the run's folder, for all pictures of the dataset's source.

    A resumed run may find less room than its plan did, and takes no more than most of it.
    """
    room = int(_LEFT * shutil.disk_usage(run.path).free)
    return PictureCache(run.path, min(limit, room), len(dataset.source.index))


def tell_problem(cache: PictureCache, watcher: Watcher) -> None:
    """Say why the cache took no more pictures, where something was in its way."""
    if cache.problem:
        watcher.said(cache.problem)
