"""A run as a subject for tests: its weights, its beginning, its loss, its pictures."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))

import hubel
from doctored import QUICK, Weigh
from hubel.errors import RunError
from hubel.results import Choice, Plan, Run
from hubel.results.files import write_json
from hubel.training.checkpoint import load_newest
from hubel.workflows.doctor.patient import subject_of
from hubel.workflows.doctor.telemetry import read_telemetry, write_record
from pictures import make_folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Weigh]:
    folder = tmp_path_factory.mktemp("made")
    pictures = make_folder(folder / "pictures")
    watcher = Weigh()
    options = {**QUICK, "epochs": 1, "augment": ("safe", "mixup")}
    return hubel.train(pictures, out=folder / "run", watcher=watcher, **options), watcher


@pytest.fixture
def run(trained: tuple[Run, Weigh], tmp_path: Path) -> Run:
    shutil.copytree(trained[0].path, tmp_path / "run")
    return Run(tmp_path / "run")


def test_the_network_is_that_of_the_last_step(run: Run) -> None:
    subject = subject_of(run)
    state = load_newest(run.checkpoints)[0].part("model")
    network = subject.network()
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    with torch.no_grad():
        next(network.parameters()).zero_()
    assert torch.equal(next(subject.network().parameters()), state[_first(network)])


def _first(network: torch.nn.Module) -> str:
    return next(name for name, _ in network.named_parameters())


def test_the_beginning_is_drawn_again(run: Run, trained: tuple[Run, Weigh]) -> None:
    states = torch.get_rng_state()
    subject = subject_of(run)
    fresh = subject.fresh()
    assert fresh is not None
    assert torch.equal(next(fresh.parameters()), trained[1].before[1])
    assert torch.equal(torch.get_rng_state(), states)


def test_a_beginning_that_is_not_certain_is_not_given(run: Run) -> None:
    telemetry = read_telemetry(run)
    assert telemetry is not None
    write_record(run, telemetry.record, telemetry.setting, start="0" * 64)
    assert subject_of(run).fresh() is None
    run.stage_file("telemetry").unlink()
    assert subject_of(run).fresh() is None


def test_pictures_come_as_the_network_gets_them(run: Run) -> None:
    subject = subject_of(run)
    assert subject.missing == ""
    train, val = subject.samples("train", 6), subject.samples("val", 100)
    assert train is not None
    assert val is not None
    assert (train.augmented, val.augmented) == (True, False)
    assert train.inputs.shape == (6, 3, 16, 16)
    assert train.targets.dtype == torch.int64
    assert sorted(train.targets.tolist()) == [0, 0, 0, 1, 1, 1]
    assert len(val) == len(set(val.keys)) < 100
    assert not set(val.keys) & set(train.keys)
    classes = run.card().classes
    for key, target in zip(train.keys, train.targets.tolist(), strict=True):
        assert key.startswith(classes[target])
    again = subject.samples("train", 6)
    assert again is not None
    assert torch.equal(train.inputs, again.inputs)
    unchanged = subject.plain("train", 6)
    assert unchanged is not None
    assert (unchanged.keys, unchanged.augmented) == (train.keys, False)
    assert not torch.equal(train.inputs, unchanged.inputs)


def test_the_loss_and_the_optimizer_are_those_of_the_training(run: Run) -> None:
    subject, settings = subject_of(run), run.plan()
    shown = subject.samples("val", 4)
    assert shown is not None
    outputs = subject.network().eval()(shown.inputs)
    wanted = F.cross_entropy(
        outputs, shown.targets, reduction="none", label_smoothing=settings["label_smoothing"]
    )
    assert torch.allclose(subject.losses(outputs, shown.targets), wanted, atol=1e-6)
    network = subject.network()
    optimizer = subject.optimizer(network, 0.5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(settings["lr"] / 2)
    of_copy = {id(one) for group in optimizer.param_groups for one in group["params"]}
    assert of_copy == {id(one) for one in network.parameters()}


def test_pictures_that_are_gone_are_said_to_be(run: Run, tmp_path: Path) -> None:
    subject = subject_of(run, source=tmp_path / "nowhere")
    assert "nowhere" in subject.missing
    assert subject.samples("train", 4) is None
    outputs, targets = torch.zeros(1, 2), torch.tensor([0])
    assert float(subject.losses(outputs, targets)) == pytest.approx(0.6931, abs=1e-3)


def test_a_network_that_does_not_fit_its_checkpoint_is_refused(
    run: Run,
) -> None:
    plan = run.plan()
    choices = tuple(
        Choice(name=one.name, value={"width": 16}, chosen_by="user", reason="")
        if one.name == "model_arguments"
        else one
        for one in plan.choices
    )
    write_json(run.plan_file, Plan(choices=choices))
    with pytest.raises(RunError, match="does not fit its network"):
        subject_of(run)
