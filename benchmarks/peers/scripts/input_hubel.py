"""hubel's batches of pictures of a folder: decoded, resized, augmented; no network."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from passes import Passes, stay_on
from speaking import say, say_versions


def main() -> None:
    """Pass over the pictures; the first pass fills the cache of decoded ones."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--processors", type=int, required=True)
    given = parser.parse_args()
    stay_on(given.processors)
    import numpy as np
    import torch

    from hubel.data.augmentation import Augmentation
    from hubel.data.batching import BatchLoader
    from hubel.data.cache import PictureCache
    from hubel.data.opening import open_source
    from hubel.data.preprocessing import Preprocessing
    from hubel.options import TrainOptions

    say_versions("hubel", "torch", "torchvision")
    torch.set_num_threads(given.processors)
    source = open_source(given.folder)
    positions = np.arange(len(source.index.keys))
    preprocessing = Preprocessing.measure(
        TrainOptions(), source, positions[:64], size=given.size, grey=given.size < 32
    )
    classes = len(source.index.classes)
    with tempfile.TemporaryDirectory() as folder:
        cache = PictureCache(Path(folder), 2**31, len(positions))
        loader = BatchLoader(
            source,
            positions,
            preprocessing,
            source.index.labels,
            batch=given.batch,
            seed=0,
            augmentation=Augmentation.from_names(("safe",), num_classes=classes, seed=0),
            shuffle=True,
            cache=cache,
        )
        passes = Passes()
        for epoch in range(given.epochs):
            passes.start()
            for batch in loader.epoch(epoch):
                passes.arrived(len(batch.inputs))
                passes.stepped()
            passes.end(waiting=False, cached=epoch > 0)
        say("final", cache_bytes=cache.held_bytes, threads=loader.threads)
        cache.close()


if __name__ == "__main__":
    main()
