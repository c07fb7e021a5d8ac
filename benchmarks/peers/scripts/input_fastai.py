"""fastai's DataLoaders over a folder; no network."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from passes import Passes, stay_on
from speaking import say, say_versions


def main() -> None:
    """Pass over the pictures; the best variant resizes the files once before."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--processors", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--best", action="store_true")
    given = parser.parse_args()
    stay_on(given.processors)
    import torch
    from fastai.vision.all import (
        ImageDataLoaders,
        Resize,
        aug_transforms,
        get_image_files,
        parent_label,
        resize_images,
    )

    say_versions("fastai", "torch", "torchvision")
    folder, more = given.folder, {}
    if given.best:
        started = time.perf_counter()
        folder, more = given.scratch, {"persistent_workers": given.workers > 0}
        for source in sorted(given.folder.iterdir()):
            side = given.size * 3 // 2
            resize_images(
                source, max_size=side, dest=folder / source.name, max_workers=given.processors
            )
        say("prepared", took_s=time.perf_counter() - started)
    dls = ImageDataLoaders.from_path_func(
        folder,
        get_image_files(folder),
        parent_label,
        valid_pct=0.0,
        item_tfms=Resize(given.size),
        batch_tfms=aug_transforms(),
        bs=given.batch,
        num_workers=given.workers,
        device=torch.device("cpu"),
        **more,
    )
    passes = Passes()
    for _ in range(given.epochs):
        passes.start()
        for inputs, _targets in dls.train:
            passes.arrived(len(inputs))
            passes.stepped()
        passes.end(waiting=False, cached=given.best)
    say("final", workers=given.workers)


if __name__ == "__main__":
    main()
