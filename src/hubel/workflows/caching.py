"""The cache of decoded pictures of a training: opened beside the run, closed before its end."""

from __future__ import annotations

import shutil
from typing import Final

from hubel.data.cache import PictureCache
from hubel.data.dataset import Dataset
from hubel.results import Run
from hubel.training.distribution import World
from hubel.workflows.watching import Watcher

_LEFT: Final = 0.9
"""Share of the free disk that a cache may take at most: checkpoints need some, too."""


def open_cache(limit: int, dataset: Dataset, run: Run, world: World) -> PictureCache:
    """Return an empty cache in the run's folder, for all pictures of the dataset's source.

    A resumed run may find less room than its plan did, and takes no more than most of it. The
    processes of a machine share the limit.
    """
    room = int(_LEFT * shutil.disk_usage(run.path).free)
    most = min(limit, room) // world.launched.local_size
    return PictureCache(run.path, most, len(dataset.source.index))


def close_cache(cache: PictureCache | None, watcher: Watcher) -> None:
    """Let go of the cache; say why it took no more pictures, where something was in its way."""
    if cache is None:
        return
    if cache.problem:
        watcher.said(cache.problem)
    cache.close()
