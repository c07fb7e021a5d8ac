"""Train torchvision's ResNet-18 or MobileNet v2 with fastai on a folder of train/ and val/."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torchvision
from fastai.vision.all import Callback, ImageDataLoaders, Learner, Resize, error_rate, resize_images
from passes import Passes
from speaking import say, say_versions

PASSES = Passes()


class Watch(Callback):
    """Times the passes over the training split."""

    def before_train(self) -> None:
        """Begin a pass."""
        PASSES.start()

    def before_batch(self) -> None:
        """Count a batch that is there."""
        if self.training:
            PASSES.arrived(len(self.xb[0]))

    def after_batch(self) -> None:
        """Wait for the next one."""
        if self.training:
            PASSES.stepped()

    def after_train(self) -> None:
        """End the pass."""
        PASSES.end()


def resized(folder: Path, scratch: Path, size: int) -> Path:
    """Write the pictures once more, little larger than needed, as its course has it."""
    started = time.perf_counter()
    for source in sorted(folder.glob("*/*")):
        resize_images(source, max_size=size * 3 // 2, dest=scratch / source.relative_to(folder))
    say("prepared", took_s=time.perf_counter() - started)
    return scratch


def main() -> None:
    """Train as the quick start does; the best variant adds what the documentation names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("network", choices=("resnet18", "mobilenet_v2"))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--best", action="store_true")
    given = parser.parse_args()
    say_versions("fastai", "torch", "torchvision")
    torch.manual_seed(0)
    folder, more = given.folder, {}
    if given.best:
        folder, more = resized(folder, given.scratch, given.size), {"persistent_workers": True}
    dls = ImageDataLoaders.from_folder(
        folder,
        train="train",
        valid="val",
        item_tfms=Resize(given.size),
        bs=given.batch,
        device=torch.device("cpu"),
        **more,
    )
    network = torchvision.models.get_model(given.network, weights=None, num_classes=dls.c)
    learner = Learner(dls, network, metrics=error_rate, cbs=Watch(), path=given.scratch)
    if given.best:
        learner.to_channelslast(use_amp=False)
    with learner.no_bar():
        learner.fit_one_cycle(given.epochs)
    say("final", threads=torch.get_num_threads(), workers=dls.train.fake_l.num_workers)


if __name__ == "__main__":
    main()
