"""A training is fitted to the machine, and its plan says how and why."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.errors import UsageError
from hubel.results import Run
from hubel.results.files import write_json
from hubel.training.events import StepEvent
from hubel.training.hardware.arithmetic import Wishes
from hubel.training.hardware.memory import Fit
from hubel.training.loop import Interrupted
from hubel.workflows import fitting, resuming
from hubel.workflows.watching import Watcher
from pictures import make_folder

QUICK = {"epochs": 1, "batch": 8, "size": 16, "model": "hubelnet"}


class Listen(Watcher):
    def __init__(self, stop: int = 0) -> None:
        self.sentences: list[str] = []
        self.stop = stop

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def stepped(self, event: StepEvent) -> None:
        if event.step == self.stop:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "folder"
    make_folder(path)
    return path


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_plan_says_what_was_chosen_and_the_machine_is_told_once(
    folder: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Listen(), Listen()
    runs = [
        hubel.train(folder, out=tmp_path / name, watcher=watcher, **QUICK)
        for name, watcher in (("one", first), ("two", second))
    ]
    told = [sentence for sentence in first.sentences if sentence.startswith("This machine: ")]
    assert len(told) == 1
    assert str(own_cache) in told[0]
    assert not any(sentence.startswith("This machine") for sentence in second.sentences)
    plans = [run.plan() for run in runs]
    same = "device", "precision", "channels_last", "threads", "compile", "winograd", "micro_batch"
    assert [plans[0][name] for name in same] == [plans[1][name] for name in same]
    choices = {choice.name: choice for choice in plans[0].choices}
    assert choices["device"].value == str(fitting.choose_device())
    assert choices["compile"].value is False
    assert choices["micro_batch"].value == 8
    kept = {choice.name: choice.reason for choice in plans[1].choices}
    assert f"kept in {own_cache}" in kept["channels_last"]


def test_a_batch_that_does_not_fit_is_computed_in_parts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Fit(pictures=4, fits=False, reason="a step on 8 needs about 9.00 GB of the 5.00 GB")
    monkeypatch.setattr(fitting, "fit_memory", lambda *_: fit)
    watcher = Listen()
    run = hubel.train(folder, out=tmp_path / "run", watcher=watcher, **QUICK)
    assert run.plan()["micro_batch"] == 4
    assert any(
        "batch of 8 is computed 4 pictures at a time" in sentence and fit.reason in sentence
        for sentence in watcher.sentences
    )
    asked = hubel.train(folder, out=tmp_path / "asked", micro_batch=99, **QUICK)
    assert asked.plan()["micro_batch"] == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "--device takes auto, cpu, cuda, cuda:NUMBER or mps, not 'gpu'"),
        ({"device": "cuda:77"}, "--device cuda:77: PyTorch .* finds these GPUs"),
        ({"winograd": "yes", "precision": "bfloat16"}, "--winograd yes needs float32"),
        ({"winograd": "yes", "channels_last": False}, "--winograd yes needs .* contiguous"),
        ({"winograd": "yes", "compile": "yes"}, "--winograd yes does not go with a compiled"),
        ({"micro_batch": 0}, "--micro-batch takes a number 1 or more, not 0"),
    ],
)
def test_what_is_not_there_is_refused_and_leaves_no_folder(
    folder: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        hubel.train(folder, out=tmp_path / "run", **QUICK, **options)
    assert not (tmp_path / "run").exists()


def test_winograd_brings_the_arithmetic_that_it_needs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wished: list[Wishes] = []
    real = fitting.choose_arithmetic
    monkeypatch.setattr(
        fitting, "choose_arithmetic", lambda *given: (wished.append(given[2]), real(*given))[1]
    )
    run = hubel.train(folder, out=tmp_path / "run", winograd="yes", **QUICK)
    assert wished == [Wishes(precision="float32", channels_last=True)]
    assert run.plan()["winograd"]


def test_other_verbs_refuse_a_device_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    run = hubel.train(folder, out=tmp_path / "run", **QUICK)
    with pytest.raises(UsageError, match="--device cuda:77"):
        hubel.evaluate(run, device="cuda:77")
    with pytest.raises(UsageError, match="--device tpu|not 'tpu'"):
        hubel.predict(run, folder, device="tpu")
    here = hubel.evaluate(run, device="cpu").test["accuracy"]
    assert here == hubel.evaluate(run, device="auto").test["accuracy"] or torch.cuda.is_available()


def test_a_run_from_a_machine_with_another_device_goes_on(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        hubel.train(folder, out=tmp_path / "run", watcher=Listen(stop=1), **QUICK)
    run = Run.open(tmp_path / "run")
    plan = run.plan()
    choices = tuple(
        replace(choice, value="cuda:77") if choice.name == "device" else choice
        for choice in plan.choices
    )
    write_json(run.plan_file, replace(plan, choices=choices))
    watcher = Listen()
    assert hubel.train(resume=run.path, watcher=watcher).training() is not None
    assert any(
        sentence.startswith("The run was trained on cuda:77, which is not here: it goes on on ")
        for sentence in watcher.sentences
    )


def test_a_run_with_functions_in_c_goes_on_without_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted):
        hubel.train(folder, out=tmp_path / "run", watcher=Listen(stop=1), **QUICK)
    run = Run.open(tmp_path / "run")
    plan = run.plan()
    choices = tuple(
        replace(choice, value=True) if choice.name == "native" else choice
        for choice in plan.choices
    )
    write_json(run.plan_file, replace(plan, choices=choices))
    monkeypatch.setattr(resuming, "library", lambda: None)
    watcher = Listen()
    assert hubel.train(resume=run.path, watcher=watcher).training() is not None
    assert any("functions in C that cannot be compiled" in one for one in watcher.sentences)
