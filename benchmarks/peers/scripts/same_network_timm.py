"""Train timm's ResNet-18 or MobileNet v2 as its training script does, on train/.

The script itself is no part of the package: this is its loop with its loader, transforms, loss,
optimizer and defaults.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

import torch
from passes import Passes
from precision import bfloat16_pays
from speaking import say, say_versions
from timm import create_model
from timm.data import create_dataset, create_loader
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2

NETWORKS = {"resnet18": "resnet18", "mobilenet_v2": "mobilenetv2_100"}


def main() -> None:
    """Train with the script's defaults; the best variant sets the flags that it has for speed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("network", choices=sorted(NETWORKS))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--best", action="store_true")
    given = parser.parse_args()
    say_versions("timm", "torch", "torchvision")
    torch.manual_seed(42)
    dataset = create_dataset("", root=str(given.folder), split="train", is_training=True)
    classes = len(list((given.folder / "train").iterdir()))
    model = create_model(NETWORKS[given.network], pretrained=False, num_classes=classes)
    workers = 2 if given.best else 4
    loader = create_loader(
        dataset,
        input_size=(3, given.size, given.size),
        batch_size=given.batch,
        is_training=True,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        hflip=0.5,
        color_jitter=0.4,
        interpolation="random",
        num_workers=workers,
        device=torch.device("cpu"),
    )
    layout = torch.channels_last if given.best else torch.contiguous_format
    model = model.to(memory_format=layout)
    low = given.best and bfloat16_pays("torch")
    arithmetic = torch.autocast("cpu", torch.bfloat16) if low else nullcontext()
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.05, weight_decay=2e-5, momentum=0.9)
    loss_function = LabelSmoothingCrossEntropy(smoothing=0.1)
    passes = Passes()
    for _ in range(given.epochs):
        model.train()
        passes.start()
        for loaded, targets in loader:
            passes.arrived(len(loaded))
            inputs = loaded.contiguous(memory_format=layout)
            with arithmetic:
                loss = loss_function(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            passes.stepped()
        passes.end()
    say("final", threads=torch.get_num_threads(), workers=workers)


if __name__ == "__main__":
    main()
