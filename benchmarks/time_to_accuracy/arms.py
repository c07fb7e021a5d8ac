"""The tools and their settings, from their own documentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.arms import HUBEL, SCRIPTS, Arm, Variant

OFFLINE: Final = (
    ("HF_HUB_OFFLINE", "1"),
    ("YOLO_OFFLINE", "true"),
    ("YOLO_AUTOINSTALL", "false"),
    ("YOLO_CONFIG_DIR", "{scratch}"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A tool's settings; the arms are runs of it over several numbers of epochs."""

    peer: str
    settings: str
    variant: Variant
    epochs: tuple[int, ...]
    """As documented. A best recipe is run once over one epoch; the rest is what fits the limit."""
    note: str

    @property
    def name(self) -> str:
        """Return the recipe's name."""
        return f"{self.peer} {self.settings}"


RECIPES: Final = (
    Recipe(
        peer="fastai",
        settings="documented",
        variant="documented",
        epochs=(1, 5),
        note="quick start: ImageDataLoaders.from_folder, vision_learner with resnet18 (not "
        "pretrained), batch 64; one cycle of 1 epoch (quick start) and of 5 (Imagenette tutorial)",
    ),
    Recipe(
        peer="keras",
        settings="example",
        variant="documented",
        epochs=(15,),
        note='example "Simple MNIST convnet", JAX: 15 epochs, batch 128, validation_split 0.1',
    ),
    Recipe(
        peer="ultralytics",
        settings="documented",
        variant="documented",
        epochs=(100,),
        note="page on Fashion-MNIST: 100 epochs, defaults; yolo11n-cls.yaml from scratch, 32 px",
    ),
    Recipe(
        peer="timm",
        settings="documented",
        variant="documented",
        epochs=(150,),
        note="page on the training script: SGD 0.1 a batch of 256, cosine over 150 epochs, 5 of "
        "warm-up, random erasing 0.5, label smoothing 0.1, 4 workers; resnet18 at 28 px",
    ),
    Recipe(
        peer="keras",
        settings="guide",
        variant="documented",
        epochs=(20,),
        note='"Introduction to Keras for engineers", JAX: 20 epochs, batch 128, validation_split '
        "0.15, early stopping, a checkpoint an epoch",
    ),
    Recipe(
        peer="fastai",
        settings="imagenette",
        variant="best",
        epochs=(1,),
        note="its train_imagenette example (ranger, Mish, label smoothing, flat and cosine, lr "
        "0.01, random resized crops, flips) with xresnet18, grey pictures, channels-last",
    ),
    Recipe(
        peer="fastai",
        settings="small",
        variant="best",
        epochs=(1,),
        note="its book's MNIST network: five convolutions with batch normalisation, batch 512, one "
        "cycle to 0.06, grey pictures, channels-last",
    ),
    Recipe(
        peer="keras",
        settings="best",
        variant="best",
        epochs=(1,),
        note="the example's network with batch normalisation, flips, AdamW, warm-up and "
        "cosine, averaged weights, jit_compile, steps_per_execution 8; mixed_bfloat16 where it "
        "is faster",
    ),
    Recipe(
        peer="ultralytics",
        settings="best",
        variant="best",
        epochs=(1,),
        note="batch 128, cache=ram, a worker a processor, cosine, 1 epoch of warm-up, mild "
        "augmentation",
    ),
    Recipe(
        peer="timm",
        settings="best",
        variant="best",
        epochs=(1,),
        note="channels-last, one channel, batch 128, mild crops, 1 epoch of warm-up, averaged "
        "weights (the better of both counts), a worker a processor; bfloat16 where it is faster",
    ),
)


def peer_arm(recipe: Recipe, epochs: int, data: dict[str, Path], limit_s: float) -> Arm:
    """Return one run of a recipe."""
    form = "idx" if recipe.peer == "keras" else "png"
    return Arm(
        name=f"{recipe.name}, {epochs} epoch{'s' * (epochs != 1)}",
        peer=recipe.peer,
        variant=recipe.variant,
        script=SCRIPTS / f"accuracy_{recipe.peer}.py",
        files=(SCRIPTS / "fashion.py", SCRIPTS / "precision.py"),
        arguments=(
            *("--data", str(data[form]), "--settings", recipe.settings),
            *("--epochs", str(epochs), "--seed", "{seed}", "--scratch", "{scratch}"),
        ),
        limit_s=limit_s,
        variables=OFFLINE,
        note=recipe.note,
    )


def hubel_arm(budget_s: float, data: dict[str, Path], more: tuple[str, ...]) -> Arm:
    """Return one run of hubel with a budget."""
    return Arm(
        name=f"hubel, {budget_s:g} s",
        peer=HUBEL,
        variant="hubel",
        arguments=(
            *("train", str(data["idx"]), "--budget", f"{budget_s:g}s", "--seed", "{seed}"),
            *("--out", "{scratch}/run", "--json", *more),
        ),
        note="defaults",
    )
