"""Ultralytics' classifier on Fashion-MNIST, from folders of PNG files."""

from __future__ import annotations

from speaking import say, say_versions

# isort: split
import os
from typing import Any, Final

from ultralytics import YOLO

from fashion import arguments

SIZE: Final = 32

SETTINGS: Final[dict[str, dict[str, Any]]] = {
    # Its page on Fashion-MNIST names epochs and size; all else is its default.
    "documented": {},
    # What its pages on training tips and arguments name against waiting and for short training.
    "best": {
        "batch": 128,
        "cache": "ram",
        "workers": os.cpu_count() or 1,
        "optimizer": "auto",
        "cos_lr": True,
        "warmup_epochs": 1,
        "scale": 0.25,
        "auto_augment": None,
        "erasing": 0.0,
        "hsv_h": 0.0,
        "hsv_s": 0.0,
    },
}


def start(trainer: Any) -> None:
    """Training starts."""
    del trainer
    say("start")


def paused(validator: Any) -> None:
    """The test split, its validation set here, is about to be seen."""
    del validator
    say("epoch")
    say("paused")


def resumed(validator: Any) -> None:
    """The test split has been seen."""
    say("accuracy", value=float(validator.metrics.top1))
    say("resumed")


if __name__ == "__main__":
    chosen = arguments().parse_args()
    say_versions("ultralytics", "torch", "torchvision")
    model = YOLO("yolo11n-cls.yaml")
    model.add_callback("on_train_start", start)
    model.add_callback("on_val_start", paused)
    model.add_callback("on_val_end", resumed)
    model.train(
        data=str(chosen.data),
        epochs=chosen.epochs,
        imgsz=SIZE,
        seed=chosen.seed,
        project=str(chosen.scratch),
        plots=False,
        pretrained=False,
        **SETTINGS[chosen.settings],
    )
    say("final", epochs=chosen.epochs)
