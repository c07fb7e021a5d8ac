"""From pictures to a finished run, by the public function and by the command line."""

from __future__ import annotations

import csv
import json
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.cli.main import run as command
from hubel.data.batching import BatchLoader
from hubel.data.source import Index, Raw, Source
from hubel.errors import RunError, UsageError
from hubel.results import Run
from hubel.training.events import StepEvent
from hubel.training.loop import Interrupted
from hubel.workflows import assembling, budgeting
from hubel.workflows.watching import Watcher
from pictures import CLASSES, crop, make_folder

QUICK = {"epochs": 2, "batch": 8, "size": 16, "threads": 1, "precision": "float32"}
AVERAGED = {"channels_last": True, "ema": 0.9, "winograd": "yes", **QUICK}
FLAGS = [
    *("--epochs", "2", "--batch", "8", "--size", "16", "--threads", "1"),
    *("--precision", "float32", "--channels-last"),
]


class StopAt(Watcher):
    """Stops a training after one step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, event: StepEvent) -> None:
        if event.step == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return hubel.train(folder, out=out, **AVERAGED)


def test_a_run_folder_holds_everything(finished: Run, folder: Path) -> None:
    names = {path.name for path in finished.path.iterdir()}
    assert names == {
        "options.toml", "plan.json", "model.json", "model.safetensors", "checkpoint", "log.csv",
        "data.json", "data.csv", "check.json", "train.json", "evaluate.json", "calibration.json",
        "predictions.csv", "report.html", "tensorboard", ".lock", "telemetry.json",
        "diagnosis.json",
    }  # fmt: skip
    options = tomllib.loads(finished.options_file.read_text())
    assert options["source"] == str(folder)
    assert options["ema"] == 0.9
    card = finished.card()
    assert card.classes == CLASSES
    assert card.input_shape == (3, 16, 16)
    assert card.weights == "best-ema"
    training = finished.training()
    assert training is not None
    assert training.epochs == 2
    assert [row.epoch for row in training.rows] == [1, 2]
    with finished.log_file.open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == [1, 2]
    weights = load_file(finished.weights_file)
    assert sum(w.numel() for n, w in weights.items() if "running" not in n) >= card.params


def test_the_same_command_gives_the_same_weights(
    finished: Run, folder: Path, tmp_path: Path
) -> None:
    again = hubel.train(folder, out=tmp_path / "again", **AVERAGED)
    assert again.weights_file.read_bytes() == finished.weights_file.read_bytes()


def test_interrupted_by_a_signal_and_resumed_is_uninterrupted(
    finished: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted) as stopped:
        hubel.train(folder, out=out, watcher=StopAt(3), **AVERAGED)
    assert stopped.value.run == out
    assert not Run(out).finished
    run = hubel.train(resume=out)
    assert run.plan()["winograd"]
    assert run.weights_file.read_bytes() == finished.weights_file.read_bytes()


def test_a_finished_run_is_extended(finished: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "short"
    hubel.train(folder, out=out, channels_last=True, **QUICK)
    with pytest.raises(RunError, match="has finished its 2 passes; to go on"):
        hubel.train(resume=out)
    said: list[str] = []

    class Listen(Watcher):
        def said(self, sentence: str) -> None:
            said.append(sentence)

    run = hubel.train(resume=out, epochs=3, watcher=Listen())
    training = run.training()
    assert training is not None
    assert training.epochs == 3
    assert run.plan()["epochs"] == 3
    assert "New schedule: cosine to pass 3" in said[0]
    with pytest.raises(UsageError, match="has trained 3 passes already"):
        hubel.train(resume=out, epochs=1)


def test_changed_pictures_are_refused_with_what_changed(tmp_path: Path) -> None:
    pictures = make_folder(tmp_path / "pictures")
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        hubel.train(pictures, out=out, watcher=StopAt(1), **QUICK)
    (pictures / "china" / "000.png").unlink()
    with pytest.raises(RunError, match=r"have changed since .* 1 picture removed: china/000\.png"):
        hubel.train(resume=out)


def test_a_changed_network_is_refused(tmp_path: Path, folder: Path) -> None:
    code = tmp_path / "net.py"
    text = (
        "from torch import nn\n"
        "def small(*, outputs, channels, size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, outputs))\n"
    )
    code.write_text(text)
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        hubel.train(folder, model=f"{code}:small", out=out, watcher=StopAt(1), **QUICK)
    assert (out / "model.py.txt").read_text() == text
    with pytest.raises(UsageError, match="trust"):
        hubel.train(resume=out)
    code.write_text(text + "# changed\n")
    with pytest.raises(RunError, match="has changed since"):
        hubel.train(resume=out, trust_code=True)
    code.write_text(text)
    run = hubel.train(resume=out, trust_code=True)
    assert run.finished


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        hubel.train(folder, out=out, watcher=StopAt(3), **QUICK)
    last = out / "checkpoint" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    said: list[str] = []

    class Listen(Watcher):
        def said(self, sentence: str) -> None:
            said.append(sentence)

    run = hubel.train(resume=out, watcher=Listen())
    assert run.finished
    assert "The checkpoint before it is used" in said[0]


def test_a_run_is_a_network_to_start_from(finished: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "three").mkdir()
    for name in CLASSES:
        (tmp_path / "three" / name).symlink_to(folder / name)
    (tmp_path / "three" / "upside").mkdir()
    for number in range(12):
        turned = crop(0, 100 + number).rotate(180)
        turned.save(tmp_path / "three" / "upside" / f"{number}.png")
    said: list[str] = []

    class Listen(Watcher):
        def said(self, sentence: str) -> None:
            said.append(sentence)

    settings = {**QUICK, "epochs": 1, "lr": 1e-9}
    run = hubel.train(
        tmp_path / "three",
        model=str(finished.path),
        out=tmp_path / "run",
        watcher=Listen(),
        **settings,
    )
    assert run.card().architecture == "hubelnet"
    assert len(run.card().classes) == 3
    before, after = load_file(finished.weights_file), load_file(run.weights_file)
    kept = [name for name in before if before[name].shape == after[name].shape]
    assert 0 < len(before) - len(kept) <= 2, "the last layer alone has another shape"
    for name in kept:
        if name.endswith("weight"):
            torch.testing.assert_close(after[name], before[name], atol=1e-5, rtol=0)
    assert "Starts from the weights of" in said[0]
    assert "from the beginning: head" in said[0]


def test_several_labels(tmp_path: Path) -> None:
    make_folder(tmp_path / "pictures", each=20)
    rows = ["path,label"]
    for number in range(20):
        extra = ";big" if number % 2 else ""
        rows.append(f"pictures/china/{number:03}.png,china{extra}")
        rows.append(f"pictures/flower/{number:03}.png,flower{extra}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(rows))
    run = hubel.train(table, out=tmp_path / "run", **QUICK)
    evaluation = run.evaluation()
    assert evaluation is not None
    assert evaluation.task == "multilabel"
    assert set(evaluation.classes) == {"big", "china", "flower"}
    assert 0 <= evaluation.test["map"].value <= 1
    answers = list(hubel.predict(run, tmp_path / "pictures" / "china" / "000.png"))
    assert set(answers[0].label.split(";")) <= {"big", "china", "flower", ""}


def test_numbers(tmp_path: Path) -> None:
    make_folder(tmp_path / "pictures", each=20)
    rows = ["path,target"]
    rows += [f"pictures/china/{number:03}.png,{1000 + number}" for number in range(20)]
    rows += [f"pictures/flower/{number:03}.png,{2000 + number}" for number in range(20)]
    table = tmp_path / "targets.csv"
    table.write_text("\n".join(rows))
    run = hubel.train(table, out=tmp_path / "run", **QUICK | {"epochs": 12})
    evaluation = run.evaluation()
    assert evaluation is not None
    assert evaluation.task == "regression"
    assert evaluation.test["mae"].value < 400, "a network that only knows the mean errs by 500"
    answer = next(iter(hubel.predict(run, tmp_path / "pictures" / "china" / "000.png")))
    assert 500 < float(answer.label) < 2500


def test_a_source_of_ones_own(tmp_path: Path) -> None:
    class Checks(Source):
        name = "checks"

        def __init__(self) -> None:
            random = np.random.default_rng(0)
            labels = np.arange(60) % 2
            self.pictures = random.integers(0, 99, (60, 12, 12, 3), dtype=np.uint8)
            self.pictures[labels == 1, :6] += 100
            self.index = Index(
                task="classification",
                classes=("plain", "bright"),
                keys=[f"picture-{number}" for number in range(60)],
                labels=labels.astype(np.int64),
                splits=np.full(60, -1, np.int8),
            )

        def read(self, position: int) -> Raw:
            return self.pictures[position]

    source = Checks()
    run = hubel.train(source, out=tmp_path / "run", **QUICK | {"epochs": 6})
    evaluation = hubel.evaluate(run, source)
    assert evaluation.test["accuracy"].value > 0.8
    assert next(iter(hubel.predict(run, source.pictures[1]))).label == "bright"


def test_the_json_contract(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert command(["train", str(folder), "--out", str(out), "--json", *FLAGS]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["run"] == str(out)
    assert trained["model"] == "hubelnet"
    assert trained["epochs"] == 2
    assert trained["params"] > 1000
    assert trained["seconds"] > 0
    accuracy = trained["test"]["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert command(["evaluate", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"] == trained["test"]
    pictures = [str(folder / "china" / f"{number:03}.png") for number in range(3)]
    assert command(["predict", str(out), *pictures, "--json", "--top", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == pictures
    for line in lines:
        assert line["label"] in CLASSES
        assert 0 <= line["probability"] <= 1
        assert isinstance(line["unknown"], bool)
        assert line["top"][0][0] == line["label"]
        assert sum(share for _, share in line["top"]) == pytest.approx(1, abs=1e-5)
    assert command(["report", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(out / "report.html")


def test_verbose_steps_shows_the_four_parts(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", str(folder), "--out", str(tmp_path / "run"), "--verbose", "steps", *FLAGS]
    assert command(arguments) == 0
    out = capsys.readouterr().out
    for part in ("forward", "loss", "backward", "update"):
        assert out.count(f"  {part}") >= 3
    assert "8×3×16×16 pictures" in out
    assert "8×2 outputs" in out


def test_threads_of_the_caller_are_left_alone(folder: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    hubel.train(folder, out=tmp_path / "run", **QUICK | {"threads": before + 1, "epochs": 1})
    assert torch.get_num_threads() == before


def test_a_budget_counts_from_where_the_program_began(folder: Path, tmp_path: Path) -> None:
    given = {name: value for name, value in QUICK.items() if name != "epochs"}
    began = time.perf_counter() - 3600
    with pytest.raises(UsageError, match=r"leaves 0\.0 s for training"):
        hubel.train(folder, out=tmp_path / "late", budget="10m", began=began, **given)


def test_a_budget_is_not_spent_on_validating_before_the_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: list[int] = []

    def score(_module: object, loader: BatchLoader, *_: object, **__: object) -> None:
        validated.append(len(loader.positions))
        raise UsageError("seen enough")

    monkeypatch.setattr(assembling, "quick_score", score)
    monkeypatch.setattr(budgeting, "MEASURED_SHARE", 0.0)
    given = {name: value for name, value in QUICK.items() if name != "epochs"} | {"batch": 2}
    with pytest.raises(UsageError, match="seen enough"):
        hubel.train(folder, out=tmp_path / "run", budget="10m", **given)
    assert validated == [2]
