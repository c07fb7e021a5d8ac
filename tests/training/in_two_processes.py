"""What test_distribution.py runs in several processes, started by torch's launcher."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.data.batching import BatchLoader
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ElsewhereError, UsageError
from hubel.options.preprocessing import PreprocessingOptions
from hubel.training.distribution import World, joined
from hubel.training.inference import predict_logits, quick_score
from stripes import CLASSES, PICTURES, SIDE, Stripes, make_trainer

# Without the adaptive steps of Adam, which turn the rounding of a vanishing gradient into a step.
PLAIN: dict[str, Any] = {"optimizer": "nesterov", "lr": 0.02, "ema": 0.0, "accumulate": 1}
VARIANTS: dict[str, dict[str, Any]] = {
    "batch normalisation": {"steps_per_pass": 8, "steps": 8},
    "accumulated, averaged, clipped": {"accumulate": 2, "ema": 0.9, "clip": 0.5, "steps": 4},
    "mixup and erasing": {"augment": ("safe", "mixup", "erasing"), "steps_per_pass": 8, "steps": 8},
    "one picture in the last batch": {"batch": 29, "steps_per_pass": 2, "steps": 4},
    "no normalisation": {"steps_per_pass": 8, "steps": 8},
}


def network(variant: str) -> nn.Module:
    torch.manual_seed(1)
    norm = nn.Identity() if variant == "no normalisation" else nn.BatchNorm2d(4)
    layers = [nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, CLASSES)]
    return nn.Sequential(*layers)


def train(variant: str, folder: Path, world: World) -> None:
    changes = PLAIN | VARIANTS[variant]
    trainer = make_trainer(folder, module=network(variant), world=world, **changes)
    trainer.train()


def validation_loader(world: World) -> BatchLoader:
    source, positions = Stripes(), np.arange(PICTURES)
    preprocessing = Preprocessing.measure(
        PreprocessingOptions(), source, positions, size=SIDE, grey=True
    )
    mine = positions[world.part.rows(PICTURES)]
    labels = source.index.labels[mine]
    return BatchLoader(source, mine, preprocessing, labels, batch=4, seed=0, shuffle=False)


def score(world: World) -> dict[str, Any]:
    module, loader = network("batch normalisation"), validation_loader(world)
    outputs = predict_logits(module, loader, world=world)
    loss = nn.CrossEntropyLoss()
    return {
        "positions": outputs.positions.tolist(),
        "logits": outputs.logits.tolist(),
        "score": quick_score(module, loader, "classification", loss, world=world),
    }


def gradients(world: World) -> list[Any]:
    """Return the summed gradients of three weights: of all, of one process, of none."""
    weights = [nn.Parameter(torch.zeros(2, 3)) for _ in range(3)]
    weights[0].grad = torch.full((2, 3), world.rank + 1.0)
    if world.rank == world.size - 1:
        weights[1].grad = torch.ones(3, 2).t()
    world.sum_gradients(weights)
    return [None if weight.grad is None else weight.grad.tolist() for weight in weights]


def errors(world: World) -> list[str]:
    """Return what the processes raise when the first one fails."""

    def fail() -> None:
        raise UsageError("the sentence")

    try:
        world.first(fail)
    except (UsageError, ElsewhereError) as error:
        return [f"{type(error).__name__}: {error} ({error.exit_status})"]
    return []


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined() as world:
        for number, variant in enumerate(VARIANTS):
            train(variant, folder / str(number) / f"of-{world.rank}", world)
        facts = {
            "rank": world.rank,
            "size": world.size,
            "gradients": gradients(world),
            "errors": errors(world),
            "shared": world.share(f"from {world.rank}"),
            "gathered": world.gather(world.rank),
            "any": [world.any(here=world.rank == 1), world.any(here=False)],
            "decided": world.decided(10.0 + world.rank),
            **score(world),
        }
        (folder / f"{world.rank}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
