"""torchvision's transforms v2 and PyTorch's DataLoader over a folder; no network."""

from __future__ import annotations

import argparse
from pathlib import Path

from passes import Passes, stay_on
from speaking import say, say_versions


def main() -> None:
    """Pass over the pictures; the best variant keeps to tensors, as the documentation advises."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--processors", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--best", action="store_true")
    given = parser.parse_args()
    stay_on(given.processors)
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.io import decode_image
    from torchvision.transforms import v2

    say_versions("torch", "torchvision")
    transforms = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(size=(given.size, given.size), antialias=True),
            v2.RandomHorizontalFlip(p=0.5),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    if given.best:
        pictures = ImageFolder(
            given.folder, transforms, loader=lambda path: decode_image(path, mode="RGB")
        )
    else:
        pictures = ImageFolder(given.folder, transforms)
    loader = DataLoader(
        pictures,
        batch_size=given.batch,
        shuffle=True,
        num_workers=given.workers,
        persistent_workers=given.best and given.workers > 0,
    )
    passes = Passes()
    for _ in range(given.epochs):
        passes.start()
        for inputs, _targets in loader:
            passes.arrived(len(inputs))
            passes.stepped()
        passes.end(waiting=False)
    say("final", workers=given.workers)


if __name__ == "__main__":
    main()
