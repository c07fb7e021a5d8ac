"""Training that starts from published weights: what is taken, frozen, scaled and recorded."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.architectures import ARCHITECTURES
from hubel.architectures.architecture import Architecture, PublishedWeights
from hubel.architectures.weights import published
from hubel.architectures.weights.reading import Reading
from hubel.cli.tables import settings_table
from hubel.errors import RunError, UsageError
from hubel.results import Run
from hubel.results.files import write_json
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


KIND = published.Kind(
    state=published_state,
    reading=lambda _name: Reading(size=20, share=0.875, mean=MEANS, std=(0.5,) * 3),
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network with published weights, which need an argument."""
    entry = Architecture(
        name="tiny", builder=build, least_size=8, design_size=32, params=1, macs=1, year=2026,
        source="x", summary="x",
        weights=(PublishedWeights(origin="package:tiny", arguments={"width": 5}),),
    )  # fmt: skip
    monkeypatch.setitem(ARCHITECTURES, "tiny", entry)
    monkeypatch.setattr(published, "KINDS", {"package": KIND})


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


def test_the_body_rests_for_a_pass_and_a_kill_changes_nothing(folder: Path, tmp_path: Path) -> None:
    watcher = Listen()
    whole = train(folder, tmp_path / "whole", watcher=watcher)
    choices = {choice.name: choice for choice in whole.plan().choices}
    assert (choices["freeze_epochs"].value, choices["body_lr"].value) == (1, 0.1)
    assert choices["freeze_epochs"].chosen_by == "hubel"
    assert "the new head learns first" in choices["freeze_epochs"].reason
    assert list(choices["head"].value) == ["8.weight", "8.bias"]
    per_pass = choices["steps_per_pass"].value
    for stop in (1, per_pass, per_pass + 1):
        out = tmp_path / f"stopped-{stop}"
        with pytest.raises(Interrupted):
            train(folder, out, watcher=Listen(stop))
        state = load_file(out / "checkpoint" / "last.safetensors")
        same = torch.equal(state["model.3.weight"], published_state()["3.weight"])
        assert same == (stop <= per_pass)
        # What is fetched once stands in the run: a resume needs no network.
        published.KINDS.clear()
        run = hubel.train(resume=out)
        assert run.weights_file.read_bytes() == whole.weights_file.read_bytes()
        published.KINDS["package"] = KIND


def test_a_single_pass_freezes_nothing(folder: Path, tmp_path: Path) -> None:
    run = train(folder, tmp_path / "run", epochs=1)
    choices = {choice.name: choice for choice in run.plan().choices}
    assert choices["freeze_epochs"].value == 0
    assert "a single pass is too short" in choices["freeze_epochs"].reason
    state = load_file(run.weights_file)
    assert not torch.equal(state["model.3.weight"], published_state()["3.weight"])


def test_a_body_may_stay_frozen(folder: Path, tmp_path: Path) -> None:
    run = train(folder, tmp_path / "run", freeze_epochs=2, body_lr=1.0)
    plan = run.plan()
    assert (plan["freeze_epochs"], plan["body_lr"]) == (2, 1.0)
    state = load_file(run.weights_file)
    for name, tensor in published_state().items():
        if not name.startswith("8.") and "num" not in name:
            assert torch.equal(state[f"model.{name}"], tensor), name


def test_a_run_may_be_frozen_too(folder: Path, tmp_path: Path) -> None:
    first = train(folder, tmp_path / "first", pretrained=False, epochs=1)
    plain = train(folder, tmp_path / "plain", pretrained=False, model=str(first.path), epochs=1)
    assert (plain.plan()["freeze_epochs"], plain.plan()["body_lr"]) == (0, 1.0)
    frozen = train(
        folder, tmp_path / "frozen", pretrained=False, model=str(first.path), freeze_epochs=2
    )
    before, after = load_file(first.weights_file), load_file(frozen.weights_file)
    assert torch.equal(before["model.3.weight"], after["model.3.weight"])
    assert not torch.equal(before["model.8.weight"], after["model.8.weight"])


def test_numbers_keep_their_head(folder: Path, tmp_path: Path) -> None:
    rows = ["path,target"]
    rows += [f"china/{number:03}.png,{number}" for number in range(20)]
    table = folder / "numbers.csv"
    table.write_text("\n".join(rows))
    run = train(table, tmp_path / "run", epochs=2, freeze_epochs=2)
    assert list(run.plan()["head"]) == ["network.8.weight", "network.8.bias"]
    state = load_file(run.weights_file)
    assert torch.equal(state["model.network.3.weight"], published_state()["3.weight"])


def test_no_more_passes_are_frozen_than_there_are(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--freeze-epochs 3 is more than .* 2 passes: give 2 to"):
        train(folder, tmp_path / "run", freeze_epochs=3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["freeze_epochs", "body_lr"])
def test_fresh_weights_are_not_frozen(name: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="treats trained weights with care, but all weights are f"):
        train(folder, tmp_path / "run", pretrained=False, **{name: 1})


def test_a_run_without_a_layer_to_keep_apart(folder: Path, tmp_path: Path) -> None:
    code = tmp_path / "net.py"
    code.write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Scale(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scale = nn.Parameter(torch.ones(2))\n"
        "    def forward(self, x):\n"
        "        return x.mean((1, 2, 3))[:, None] * self.scale\n"
        "def make(*, outputs, channels, size):\n"
        "    return Scale()\n"
    )
    first = train(
        folder, tmp_path / "first", pretrained=False, model=f"{code}:make", size=8, epochs=1
    )
    settings = {"pretrained": False, "model": str(first.path), "trust_code": True, "epochs": 1}
    train(folder, tmp_path / "second", **settings)
    with pytest.raises(UsageError, match="no linear or convolutional layer that could be its head"):
        train(folder, tmp_path / "third", freeze_epochs=1, **settings)


def test_the_plan_is_shown(folder: Path, tmp_path: Path) -> None:
    run = train(folder, tmp_path / "run")
    console = Console(width=200, file=io.StringIO())
    with console.capture() as captured:
        console.print(settings_table(run.plan()))
    line = next(line for line in captured.get().splitlines() if "start" in line)
    assert "package:tiny, body frozen for 1 pass, body at 0.1 of the rate" in line
    assert "the new head learns first" in line
    assert "package:tiny" in run.report_file.read_text("utf-8")


def test_a_run_is_read_as_it_was_trained(folder: Path, tmp_path: Path) -> None:
    published = {"lr": 1e-9, "epochs": 1}
    first = train(folder, tmp_path / "first", filters=("blur:3",), **published)
    second = train(
        folder, tmp_path / "second", model=str(first.path), pretrained=False, seed=1, **published
    )
    assert second.card().preprocessing == first.card().preprocessing
    choices = {choice.name: choice for choice in second.plan().choices}
    assert choices["size"].reason == f"{first.path} was trained at this size"
    assert (choices["size"].chosen_by, choices["freeze_epochs"].value) == ("hubel", 0)
    third = train(
        folder, tmp_path / "third", model=str(second.path), pretrained=False, size=16,
        fit="squash", colour="hsv", filters=("median:3",), **published,
    )  # fmt: skip
    stored = third.card().preprocessing
    assert (stored["size"], stored["fit"], stored["colour"]) == (16, "squash", "hsv")
    assert stored["filters"] == ["median:3"]
    assert tuple(stored["mean"]) != MEANS, "the means of RGB are not those of HSV"
    fourth = train(folder, tmp_path / "fourth", model=str(third.path), pretrained=False,
                   **published)  # fmt: skip
    assert fourth.card().preprocessing == stored, "the means of HSV are"
    plain = train(folder, tmp_path / "plain", pretrained=False, normalise="none", **published)
    after = train(folder, tmp_path / "after", pretrained=False, model=str(plain.path), **published)
    assert after.card().preprocessing["normalisation"] == "none"


def test_a_run_whose_preprocessing_is_damaged(folder: Path, tmp_path: Path) -> None:
    first = train(folder, tmp_path / "first", epochs=1)
    card = first.card()
    del card.preprocessing["mean"]
    write_json(first.model_file, card)
    with pytest.raises(RunError, match=r"The preprocessing of .*first is damaged: KeyError"):
        train(folder, tmp_path / "second", model=str(first.path), pretrained=False)
