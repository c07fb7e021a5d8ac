"""A small training on noise with stripes, and whether two trainings gave the same bits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.data.augmentation import Augmentation
from hubel.data.batching import BatchLoader
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import Index, Raw, Source
from hubel.options.preprocessing import PreprocessingOptions
from hubel.results import Run
from hubel.training.checkpoint import BEST, load, load_newest
from hubel.training.distribution import ALONE, World
from hubel.training.events import Observer, StepEvent
from hubel.training.loop import Trainer
from hubel.training.losses import build_loss
from hubel.training.settings import Settings

PICTURES, CLASSES, SIDE = 30, 3, 8
SETTINGS = Settings(
    source="stripes",
    seed=5,
    model="small",
    model_arguments={},
    task="classification",
    outputs=CLASSES,
    channels=1,
    size=SIDE,
    loss="cross-entropy",
    label_smoothing=0.1,
    focal_gamma=2.0,
    balance="none",
    optimizer="adamw",
    lr=0.01,
    momentum=0.9,
    weight_decay=0.01,
    l1=1e-4,
    schedule="cosine",
    warmup=0.1,
    epochs=4,
    steps=16,
    steps_per_pass=4,
    budget_s=None,
    revisions=(),
    batch=4,
    accumulate=2,
    dropout=0.0,
    augment=("safe",),
    augment_strength=1.0,
    ema=0.9,
    clip=1.0,
    patience=None,
    precision="float32",
    channels_last=True,
    threads=1,
    checkpoint_every_s=3600.0,
)


class Stripes(Source):
    """Noise with a bright stripe where the class says."""

    name = "stripes"

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        labels = np.arange(PICTURES) % CLASSES
        self.pictures = random.integers(0, 120, (PICTURES, SIDE, SIDE), dtype=np.uint8)
        for picture, label in zip(self.pictures, labels, strict=True):
            picture[2 * label : 2 * label + 2] += 100
        self.index = Index(
            task="classification",
            classes=("top", "middle", "bottom"),
            keys=[f"train/{number}" for number in range(PICTURES)],
            labels=labels.astype(np.int64),
            splits=np.zeros(PICTURES, np.int8),
        )

    def read(self, position: int) -> Raw:
        return self.pictures[position]


class StopAt(Observer):
    """Asks for a stop after one step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.trainer: Trainer | None = None

    def stepped(self, event: StepEvent) -> None:
        if event.step == self.step:
            assert self.trainer is not None
            self.trainer.ask_to_stop()


def make_trainer(
    folder: Path,
    settings: Settings = SETTINGS,
    module: nn.Module | None = None,
    world: World = ALONE,
    **changes: Any,
) -> Trainer:
    settings = replace(settings, **changes)
    source = Stripes()
    positions = np.arange(PICTURES)
    preprocessing = Preprocessing.measure(
        PreprocessingOptions(), source, positions, size=SIDE, grey=True
    )
    torch.manual_seed(settings.seed)
    module = module or nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(4 * 36, CLASSES),
    )
    weights = None
    if settings.balance == "sampling":
        weights = 1.0 + source.index.labels
    loader = BatchLoader(
        source,
        positions,
        preprocessing,
        source.index.labels,
        batch=settings.batch,
        seed=settings.seed,
        augmentation=Augmentation.from_names(
            settings.augment, num_classes=CLASSES, seed=settings.seed
        ),
        shuffle=True,
        weights=weights,
        threads=2,
        share=world.part,
    )

    def validate(network: nn.Module) -> tuple[float, float]:
        total = sum(float(weight.detach().double().sum()) for weight in network.parameters())
        return abs(total), math.sin(total * 50)

    return Trainer(
        settings,
        module,
        loader,
        build_loss("cross-entropy", task="classification", label_smoothing=0.1),
        Run(folder),
        validate=validate,
        constants={"matrix": torch.eye(2)},
        world=world,
    )


def state_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return tensors and values of the last checkpoint, without what a clock decides."""
    checkpoint, problem = load_newest(folder / "checkpoint")
    assert not problem
    values = dict(checkpoint.values)
    rows = [row[:7] for row in values.pop("rows")]
    for name in ("seconds", "frozen_s", "waited_s", "pass_seconds"):
        values.pop(name)
    return dict(checkpoint.tensors), values | {"rows": rows}


def assert_same(one: Path, other: Path) -> None:
    tensors, values = state_of(one)
    others, other_values = state_of(other)
    assert values == other_values
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        if name != "rng.torch":
            assert torch.equal(tensor, others[name]), name
    best, other_best = load(one / "checkpoint" / BEST), load(other / "checkpoint" / BEST)
    assert best.values == other_best.values
    for name, tensor in best.tensors.items():
        assert torch.equal(tensor, other_best.tensors[name]), name
