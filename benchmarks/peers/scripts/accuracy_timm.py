"""A network of timm in its training script's settings, on folders of PNG files.

The script itself (`train.py` of its repository) is not part of the package, so its loop is made
here of the package's own parts: loaders, losses, optimizers, schedules, averaging.
"""

from __future__ import annotations

from speaking import say, say_versions

# isort: split
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import timm
import torch
from precision import bfloat16_pays
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3

from fashion import CLASSES, arguments

CPU: Final = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Flags of the training script."""

    model: str
    channels: int
    batch: int
    rate: float
    warmup_epochs: int
    workers: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    erasing: float = 0.0
    jitter: float = 0.4
    averaged: bool = False
    channels_last: bool = False
    mixed: bool = False
    test_crop: float | None = None


SETTINGS: Final = {
    # Its page on the training script: the command there, for one process instead of four.
    "documented": Settings(
        model="resnet18",
        channels=3,
        batch=256,
        rate=0.1,
        warmup_epochs=5,
        erasing=0.5,
        workers=4,
    ),
    # Flags that its pages name for speed and short training: channels-last, mixed precision,
    # averaged weights, milder crops; SGD with Nesterov momentum and cosine as in its recipes C.
    "best": Settings(
        model="resnet18",
        channels=1,
        batch=128,
        rate=0.1,
        warmup_epochs=1,
        scale=(0.7, 1.0),
        ratio=(0.9, 1.1),
        jitter=0.0,
        workers=os.cpu_count() or 1,
        averaged=True,
        channels_last=True,
        mixed=True,
        test_crop=1.0,
    ),
}


def loader(data: Path, settings: Settings, model: Any, *, training: bool) -> Any:
    """Return the loader of the training split or of the test split."""
    given: dict[str, Any] = {
        "input_size": (settings.channels, 28, 28),
        "crop_pct": settings.test_crop,
    }
    if settings.channels == 1:
        given |= {"mean": (0.286,), "std": (0.353,)}
    config = resolve_data_config(given, model=model)
    modes = {1: "L", 3: "RGB"}
    dataset = create_dataset(
        "",
        root=str(data),
        split="train" if training else "val",
        is_training=training,
        input_img_mode=modes[settings.channels],
    )
    training_only: dict[str, Any] = {
        "re_prob": settings.erasing,
        "re_mode": "pixel",
        "scale": settings.scale,
        "ratio": settings.ratio,
        "color_jitter": settings.jitter or None,
    }
    return create_loader(
        dataset,
        input_size=config["input_size"],
        batch_size=settings.batch,
        is_training=training,
        interpolation="random" if training else config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        num_workers=settings.workers,
        crop_pct=config["crop_pct"],
        device=CPU,
        **(training_only if training else {}),
    )


def arithmetic(settings: Settings) -> contextlib.AbstractContextManager[Any]:
    """Return mixed precision where it is asked for and faster here; measured once."""
    if settings.mixed and bfloat16_pays("torch"):
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def prepared(pictures: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Return a batch in the memory format of the network."""
    if settings.channels_last:
        return pictures.contiguous(memory_format=torch.channels_last)
    return pictures


@torch.inference_mode()
def accuracy(
    model: torch.nn.Module,
    batches: Any,
    settings: Settings,
    precision: contextlib.AbstractContextManager[Any],
) -> float:
    """Return the share of the test pictures that are classified rightly."""
    model.eval()
    right = seen = 0
    for pictures, labels in batches:
        with precision:
            right += int((model(prepared(pictures, settings)).argmax(1) == labels).sum())
        seen += len(labels)
    return right / seen


def train(data: Path, settings: Settings, epochs: int) -> None:
    """Train for a number of epochs, and tell the test accuracy of each."""
    model = timm.create_model(settings.model, num_classes=CLASSES, in_chans=settings.channels)
    if settings.channels_last:
        model = model.to(memory_format=torch.channels_last)
    averaged = ModelEmaV3(model, decay=0.999, use_warmup=True) if settings.averaged else None
    batches = loader(data, settings, model, training=True)
    tests = loader(data, settings, model, training=False)
    optimizer = create_optimizer_v2(
        model, opt="sgd", lr=settings.rate, weight_decay=2e-5, momentum=0.9
    )
    schedule, _ = create_scheduler_v2(
        optimizer,
        sched="cosine",
        num_epochs=epochs,
        warmup_epochs=min(settings.warmup_epochs, max(epochs - 1, 0)),
        step_on_epochs=False,
        updates_per_epoch=len(batches),
    )
    loss_of = LabelSmoothingCrossEntropy(smoothing=0.1)
    precision = arithmetic(settings)
    say("start")
    updates = 0
    schedule.step_update(0)
    for epoch in range(1, epochs + 1):
        model.train()
        for pictures, labels in batches:
            with precision:
                loss = loss_of(model(prepared(pictures, settings)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updates += 1
            if averaged is not None:
                averaged.update(model, step=updates)
            schedule.step_update(updates)
        say("epoch", epoch=epoch)
        say("paused")
        value = accuracy(model, tests, settings, precision)
        if averaged is not None:
            value = max(value, accuracy(averaged.module, tests, settings, precision))
        say("accuracy", value=value, epoch=epoch)
        say("resumed")


if __name__ == "__main__":
    chosen = arguments().parse_args()
    say_versions("timm", "torch", "torchvision")
    torch.manual_seed(chosen.seed)
    train(chosen.data, SETTINGS[chosen.settings], chosen.epochs)
    say("final", epochs=chosen.epochs)
