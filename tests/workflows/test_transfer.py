"""Training that starts from published weights: what is taken, frozen, scaled and recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.architectures import ARCHITECTURES, weights
from hubel.architectures.architecture import Architecture, PublishedWeights
from hubel.architectures.reading import Reading
from hubel.errors import UsageError
from hubel.results import Run
from hubel.training.events import StepEvent
from hubel.training.loop import Interrupted
from hubel.workflows.watching import Watcher
from pictures import make_folder

QUICK = {"batch": 8, "threads": 1, "precision": "float32", "channels_last": True}
MEANS = (0.25, 0.5, 0.75)


def build(*, outputs: int, channels: int, size: int, width: int = 4) -> nn.Module:
    """Two convolutions with batch normalisation and a classifier."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, 6, 3), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, outputs),
    )  # fmt: skip


def published_state(_name: str = "") -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    state = build(outputs=1000, channels=3, size=32, width=5).state_dict()
    return {
        name: tensor if "num" in name else torch.rand(tensor.shape, generator=generator)
        for name, tensor in state.items()
    }


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network with published weights, which need an argument."""
    entry = Architecture(
        name="tiny", builder=build, least_size=8, design_size=32, params=1, macs=1, year=2026,
        source="x", summary="x",
        weights=(PublishedWeights(origin="package:tiny", arguments={"width": 5}),),
    )  # fmt: skip
    monkeypatch.setitem(ARCHITECTURES, "tiny", entry)
    kind = weights.Kind(
        state=published_state,
        reading=lambda _name: Reading(size=20, share=0.875, mean=MEANS, std=(0.5,) * 3),
    )
    monkeypatch.setattr(weights, "KINDS", {"package": kind})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures"), each=20)


class Listen(Watcher):
    """Keeps what was said, and stops after a step where asked to."""

    def __init__(self, stop: int = 0) -> None:
        self.sentences: list[str] = []
        self.stop = stop

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def stepped(self, event: StepEvent) -> None:
        if event.step == self.stop:
            import signal

            signal.raise_signal(signal.SIGINT)


def train(folder: Path, out: Path, **settings: Any) -> Run:
    chosen = {"model": "tiny", "pretrained": True, "epochs": 2} | QUICK | settings
    return hubel.train(folder, out=out, **chosen)


def test_a_run_starts_from_published_weights(folder: Path, tmp_path: Path) -> None:
    watcher = Listen()
    run = train(folder, tmp_path / "run", lr=1e-9, watcher=watcher)
    card, plan = run.card(), run.plan()
    assert card.arguments == {"width": 5}
    assert card.input_shape == (3, 20, 20)
    assert tuple(card.preprocessing["mean"]) == MEANS
    assert (card.preprocessing["fit"], card.preprocessing["share"]) == ("crop", 0.875)
    choices = {choice.name: choice for choice in plan.choices}
    assert choices["pretrained"].value == "package:tiny"
    assert choices["size"].reason == "package:tiny was trained at this size"
    assert watcher.sentences[0].startswith(
        "Starts from the weights package:tiny: 12 of 14 tensors; the last layer (8) is new"
    )
    state = load_file(run.weights_file)
    for name in ("0.weight", "3.weight", "4.bias"):
        torch.testing.assert_close(
            state[f"model.{name}"], published_state()[name], atol=1e-5, rtol=0
        )
    assert state["model.8.weight"].shape == (2, 6)


def test_what_the_user_sets_stands(folder: Path, tmp_path: Path) -> None:
    run = train(
        folder, tmp_path / "run", size=16, fit="squash", normalise="none", epochs=1,
        pretrained=False, weights="package:tiny",
    )  # fmt: skip
    card = run.card()
    assert card.input_shape == (3, 16, 16)
    assert (card.preprocessing["fit"], card.preprocessing["normalisation"]) == ("squash", "none")
    assert run.plan()["pretrained"] == "package:tiny"
    with pytest.raises(UsageError, match="is a run with weights of its own, and --pretrained asks"):
        train(folder, tmp_path / "more", model=str(run.path))


def test_a_network_without_weights_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="hubelnet has no published weights"):
        train(folder, tmp_path / "run", model="hubelnet")
    assert not (tmp_path / "run").exists()
