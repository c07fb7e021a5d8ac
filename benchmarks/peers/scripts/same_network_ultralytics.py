"""Train ResNet-18 or MobileNet v2 with Ultralytics on a folder of train/ and val/.

Its module `TorchVision` takes torchvision's layers; the file of a network that it ships for
ResNet-18 (yolo11-cls-resnet18.yaml) is the pattern, without published weights. The classifier
behind them is its own: a 1×1 convolution to 1280 channels, pooling, and a linear layer.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from passes import Passes
from precision import bfloat16_pays
from speaking import say, say_versions

BACKBONES = {
    # channels, name, weights, unwrapped, layers cut off at the end
    "resnet18": "[512, resnet18, None, True, 2]",
    "mobilenet_v2": "[1280, mobilenet_v2, None, True, 1]",
}
PASSES = Passes()


def description(network: str, classes: int) -> str:
    """Return the network in Ultralytics' own format."""
    return (
        f"nc: {classes}\n"
        f"backbone:\n  - [-1, 1, TorchVision, {BACKBONES[network]}]\n"
        "head:\n  - [-1, 1, Classify, [nc]]\n"
    )


def main() -> None:
    """Train with its defaults; the best variant adds what the documentation names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("network", choices=sorted(BACKBONES))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--best", action="store_true")
    given = parser.parse_args()
    os.environ["YOLO_CONFIG_DIR"] = str(given.scratch)
    os.environ["YOLO_OFFLINE"] = "true"
    import torch
    from ultralytics import YOLO

    say_versions("ultralytics", "torch", "torchvision")
    classes = len(list((given.folder / "train").iterdir()))
    written = given.scratch / f"{given.network}.yaml"
    written.write_text(description(given.network, classes), "utf-8")
    more: dict[str, Any] = {}
    if given.best:
        more = {"cache": True, "deterministic": False, "plots": False}
        more |= {"amp": "bf16"} if bfloat16_pays("torch") else {}
    model = YOLO(str(written), task="classify")
    model.add_callback("on_train_epoch_start", lambda _: PASSES.start())
    model.add_callback("on_train_batch_start", lambda _: PASSES.arrived(given.batch))
    model.add_callback("on_train_batch_end", lambda _: PASSES.stepped())
    model.add_callback("on_train_epoch_end", lambda _: PASSES.end())
    model.train(
        data=str(given.folder),
        epochs=given.epochs,
        imgsz=given.size,
        batch=given.batch,
        device="cpu",
        pretrained=False,
        project=str(given.scratch),
        name="run",
        **more,
    )
    say("final", threads=torch.get_num_threads(), workers=model.trainer.train_loader.num_workers)


if __name__ == "__main__":
    main()
