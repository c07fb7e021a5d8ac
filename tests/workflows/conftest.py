"""Run folders made by hand: tiny pictures, and a network whose weights are set, not trained."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hubel.architectures import load
from hubel.data.integrity import inspect_source
from hubel.data.manifest import write_manifest
from hubel.data.opening import open_source
from hubel.data.preprocessing import Preprocessing
from hubel.results import Choice, ModelCard, Plan, Run
from hubel.results.files import write_json
from hubel.training.checkpoint import save_tensors
from hubel.training.numbers import in_units

SIDE = 8
CLASSES = ("bottom", "middle", "top")
SEED = 3
CODE = """
from torch import nn

def build(*, outputs, channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, outputs))
"""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A run with the pictures it says it was trained on."""

    run: Run
    source: Path
    module: nn.Module
    preprocessing: Preprocessing

    def logits(self, paths: list[Path]) -> np.ndarray[Any, Any]:
        """Send pictures through the network, one at a time and without hubel's loaders."""
        rows = []
        for path in paths:
            pixels = np.asarray(Image.open(path).convert("L"), np.float32) / 255
            rows.append(self.module(torch.from_numpy(pixels)[None, None])[0].detach().numpy())
        return np.stack(rows)


def picture(generator: np.random.Generator, kind: int) -> np.ndarray[Any, Any]:
    """Noise that is brighter in the rows of its class: 0 to 2 bottom, middle, top."""
    pixels = generator.integers(0, 140, (SIDE, SIDE))
    rows = (slice(6, 8), slice(3, 5), slice(0, 2))[kind]
    pixels[rows] += 70
    return pixels.astype(np.uint8)


def write_folder(folder: Path, count: int, seed: int, classes: tuple[str, ...] = CLASSES) -> Path:
    """Write `count` pictures a class; every eighth lies in the wrong folder."""
    generator = np.random.default_rng(seed)
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            kind = CLASSES.index(name)
            kind = (kind + 1) % 3 if number % 8 == 7 else kind
            pixels = picture(generator, kind)
            Image.fromarray(pixels).save(folder / name / f"{place}{number:03}.png")
    return folder


def write_table(folder: Path, count: int, column: str, seed: int = 0) -> Path:
    """Write pictures and a table of their several labels, or of one number."""
    generator = np.random.default_rng(seed)
    folder.mkdir()
    table = folder / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", column])
        for number in range(count):
            kinds = [kind for kind in range(3) if generator.random() < 0.5] or [number % 3]
            pixels = generator.integers(0, 100, (SIDE, SIDE)).astype(np.uint8)
            for kind in kinds:
                pixels[(slice(6, 8), slice(3, 5), slice(0, 2))[kind]] += 100
            Image.fromarray(pixels).save(folder / f"{number:03}.png")
            labels = ";".join(CLASSES[kind] for kind in kinds)
            writer.writerow([f"{number:03}.png", labels if column == "label" else pixels.mean()])
    return table


def set_weights(module: nn.Module, task: str) -> None:
    """Make the network look at the brightness of each class's rows, or of the whole picture."""
    layer = module.network[1] if task == "regression" else module[1]
    weight = torch.zeros_like(layer.weight).view(-1, SIDE, SIDE)
    if task == "regression":
        weight[0] = 255 / SIDE**2
        layer.bias.data.fill_(3.0)
    else:
        for output, rows in enumerate((slice(6, 8), slice(3, 5), slice(0, 2))):
            weight[output, rows] = 2.0
        layer.bias.data.fill_(0.0 if task == "classification" else -14.0)
    layer.weight.data = weight.view_as(layer.weight)


def make_run(folder: Path, source: Any, task: str, *, spec: str | None = None) -> Made:
    """Write all files of a finished run that learned from `source`."""
    run = Run(folder)
    folder.mkdir()
    opened = open_source(source)
    dataset = inspect_source(opened, seed=SEED)
    classes = opened.index.classes
    preprocessing = Preprocessing(
        size=SIDE, channels=1, colour="grey", fit="squash", filters=(), decode_at_least=None,
        normalisation="none", mean=(0.0,), std=(1.0,),
    )  # fmt: skip
    loaded = load(
        "net.py:build", outputs=len(classes), channels=1, size=SIDE, task=task, trust_code=True,
        stored_code=CODE,
    )  # fmt: skip
    module = in_units(loaded.module, task, len(classes)).eval()
    set_weights(module, task)
    write_manifest(run.manifest_file, dataset)
    choices = {"source": spec or str(opened.name), "seed": SEED, "threads": 1}
    write_json(
        run.plan_file,
        Plan(
            choices=tuple(
                Choice(name=name, value=value, chosen_by="user", reason="")
                for name, value in choices.items()
            )
        ),
    )
    write_json(
        run.model_file,
        ModelCard(
            architecture="net.py:build", arguments={}, input_shape=(1, SIDE, SIDE), task=task,
            classes=classes, preprocessing=preprocessing.to_json(), weights="last", params=1,
            code_digest=loaded.code_digest, mirror_tta=False,
        ),
    )  # fmt: skip
    run.code_file.write_text(CODE)
    state = {f"model.{name}": value for name, value in module.state_dict().items()}
    save_tensors(run.weights_file, state)
    return Made(run=run, source=Path(str(source)), module=module, preprocessing=preprocessing)


@pytest.fixture
def classifier(tmp_path: Path) -> Made:
    """A run on 40 pictures of each of three classes."""
    return make_run(tmp_path / "run", write_folder(tmp_path / "own", 40, 0), "classification")


@pytest.fixture
def labeller(tmp_path: Path) -> Made:
    """A run on pictures with several labels each."""
    return make_run(tmp_path / "run", write_table(tmp_path / "own", 90, "label"), "multilabel")


@pytest.fixture
def regressor(tmp_path: Path) -> Made:
    """A run on pictures with a number each: their mean brightness, missed by 3."""
    return make_run(tmp_path / "run", write_table(tmp_path / "own", 60, "target"), "regression")


@pytest.fixture
def builders() -> Any:
    """The functions above, for tests that need other pictures."""

    class Builders:
        picture = staticmethod(picture)
        write_folder = staticmethod(write_folder)
        write_table = staticmethod(write_table)
        make_run = staticmethod(make_run)
        classes = CLASSES

    return Builders
