"""The doctor inside `hubel train`: what it measures, and that nobody can tell it was there."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

import hubel
from doctored import QUICK, Listen, Weigh
from hubel.diagnosis.evidence.record import Record
from hubel.results import Run
from hubel.training.events import StepEvent
from hubel.training.loop import Interrupted
from hubel.workflows.doctor.telemetry import Telemetry, read_telemetry
from pictures import make_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def watched(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Weigh]:
    watcher = Weigh()
    out = tmp_path_factory.mktemp("runs") / "watched"
    return hubel.train(folder, out=out, watcher=watcher, ema=0.9, **QUICK), watcher


def telemetry_of(run: Run) -> Telemetry:
    found = read_telemetry(run)
    assert found is not None
    return found


def timeless(record: Record) -> str:
    """Return all rows without what a clock decides; NaN is equal to itself in text."""
    steps = [replace(row, waited_s=0.0, took_s=0.0) for row in record.steps]
    parts = (steps, record.weights, record.units, record.batches, record.evaluations)
    return repr((*parts, record.events, record.initial_loss))


def test_with_and_without_the_doctor_the_bits_are_the_same(
    watched: tuple[Run, Weigh], folder: Path, tmp_path: Path
) -> None:
    alone = hubel.train(folder, out=tmp_path / "alone", doctor=False, ema=0.9, **QUICK)
    assert alone.weights_file.read_bytes() == watched[0].weights_file.read_bytes()
    assert alone.predictions_file.read_bytes() == watched[0].predictions_file.read_bytes()
    assert read_telemetry(alone) is None
    assert alone.diagnosis() is None


def test_a_healthy_training_hears_nothing(watched: tuple[Run, Weigh]) -> None:
    assert watched[1].of_the_doctor == []


def test_every_step_has_its_row(watched: tuple[Run, Weigh]) -> None:
    rows = telemetry_of(watched[0]).record.steps
    events = watched[1].events
    assert [row.step for row in rows] == [event.step for event in events]
    for row, event in zip(rows, events, strict=True):
        assert (row.loss, row.lr, row.pictures) == (event.loss, event.lr, event.pictures)
        assert (row.backwards, row.left_over, row.training) == (1, False, True)
        right = (event.outputs.argmax(1) == event.targets).float().mean()
        assert row.accuracy == pytest.approx(float(right))


def test_an_update_is_measured_as_it_was(watched: tuple[Run, Weigh]) -> None:
    run, seen = watched
    rows = telemetry_of(run).record.weights
    assert {row.step for row in rows} == {1, 2, 4, 8}
    for step in (1, 4):
        row = next(row for row in rows if row.step == step)
        old, new = seen.before[step].double(), seen.after[step].double()
        assert row.weight == pytest.approx(math.sqrt((old**2).mean()), rel=1e-5)
        assert row.gradient == pytest.approx(
            math.sqrt((seen.gradients[step].double() ** 2).mean()), rel=1e-5
        )
        assert row.update == pytest.approx(math.sqrt(((new - old) ** 2).mean()), rel=1e-3)
        moved = (new - old).abs().mean() / old.abs().mean()
        assert row.mean_ratio == pytest.approx(float(moved), rel=1e-3)


def test_passes_and_probes_are_evaluations(watched: tuple[Run, Weigh]) -> None:
    run, _ = watched
    record, training = telemetry_of(run).record, run.training()
    assert training is not None
    of_passes = [row for row in record.evaluations if row.split == "val"]
    assert [row.loss for row in of_passes] == [row.val_loss for row in training.rows]
    assert [row.accuracy for row in of_passes] == [row.val_score for row in training.rows]
    probed = [(row.step, row.mode) for row in record.evaluations if row.split == "train"]
    last = training.steps
    assert probed.count((0, "eval")) == probed.count((last, "eval")) == 1
    assert probed.count((last, "train")) == 2
    assert {row.step for row in record.units} == {0, last}


def test_the_parts_of_the_training_are_known(watched: tuple[Run, Weigh]) -> None:
    setting = telemetry_of(watched[0]).setting
    assert (setting.origin, setting.task, setting.outputs, setting.classes) == (
        "hubel", "classification", 2, 2,
    )  # fmt: skip
    assert (setting.batch, setting.input_shape) == (4, (3, 16, 16))
    assert setting.loss is not None
    assert (setting.loss.kind, setting.loss.reduction) == ("cross-entropy", "mean")
    assert all(one.reached and one.trainable for one in setting.parameters)
    assert all(one.group is not None for one in setting.parameters)
    assert all(one.called for one in setting.modules if one.kind == "Conv2d")
    assert setting.options["batch"] == 4
    assert setting.has_validation


def test_the_first_loss_is_near_that_of_guessing(watched: tuple[Run, Weigh]) -> None:
    assert telemetry_of(watched[0]).record.initial_loss == pytest.approx(math.log(2), abs=0.3)


def test_a_diagnosis_is_written_at_the_end(watched: tuple[Run, Weigh]) -> None:
    diagnosis = watched[0].diagnosis()
    assert diagnosis is not None
    assert diagnosis.causes == ()
    assert diagnosis.step == len(watched[1].events)
    assert diagnosis.provenance is not None


@pytest.mark.parametrize("stop", [3, 5])
def test_a_resumed_run_has_the_rows_of_one_that_was_never_stopped(
    stop: int, watched: tuple[Run, Weigh], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        hubel.train(folder, out=out, watcher=Weigh(stop), ema=0.9, **QUICK)
    assert [row.step for row in telemetry_of(Run(out)).record.steps] == list(range(1, stop + 1))
    run = hubel.train(resume=out)
    assert timeless(telemetry_of(run).record) == timeless(telemetry_of(watched[0]).record)
    settings = [telemetry_of(one).setting for one in (run, watched[0])]
    for one in settings:
        del one.options["cache_bytes"]  # What is free on the machine at the time.
    assert settings[0] == settings[1]
    assert run.weights_file.read_bytes() == watched[0].weights_file.read_bytes()


class Killed(Exception):
    """Stands for a killed process: nothing is saved after it."""


class Kill(Listen):
    def stepped(self, event: StepEvent) -> None:
        if event.step == 6:
            raise Killed


def test_rows_after_the_last_checkpoint_are_measured_again(
    watched: tuple[Run, Weigh], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    with pytest.raises(Killed):
        hubel.train(folder, out=out, watcher=Kill(), ema=0.9, **QUICK)
    run = hubel.train(resume=out)
    assert timeless(telemetry_of(run).record) == timeless(telemetry_of(watched[0]).record)


def test_a_damaged_record_is_said_and_begun_anew(
    watched: tuple[Run, Weigh], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged"
    with pytest.raises(Interrupted):
        hubel.train(folder, out=out, watcher=Weigh(3), ema=0.9, **QUICK)
    path = out / "telemetry.json"
    path.write_bytes(path.read_bytes()[:-9])
    listen = Listen()
    run = hubel.train(resume=out, watcher=listen)
    assert len(listen.of_the_doctor) == 1
    assert "telemetry.json is damaged" in listen.of_the_doctor[0]
    assert "The doctor begins a new record." in listen.of_the_doctor[0]
    record = telemetry_of(run).record
    assert record.steps[0].step == 4
    assert math.isnan(record.initial_loss)
    assert run.weights_file.read_bytes() == watched[0].weights_file.read_bytes()


def test_a_doctor_that_fails_goes_and_the_training_stays(
    watched: tuple[Run, Weigh], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("no rows today")

    monkeypatch.setattr("hubel.workflows.doctor.during.batch_row", broken)
    listen = Listen()
    run = hubel.train(folder, out=tmp_path / "run", watcher=listen, ema=0.9, **QUICK)
    assert listen.of_the_doctor == [
        "The doctor cannot watch this training (ValueError: no rows today); it goes on without."
    ]
    assert run.weights_file.read_bytes() == watched[0].weights_file.read_bytes()


def test_accumulation_clipping_and_half_precision_are_measured(
    folder: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {
        "accumulate": 2, "micro_batch": 2, "clip": 1e-3, "precision": "float16", "epochs": 1,
    }  # fmt: skip
    runs = [
        hubel.train(folder, out=tmp_path / str(doctor), doctor=doctor, **{**QUICK, **changes})
        for doctor in (True, False)
    ]
    assert runs[0].weights_file.read_bytes() == runs[1].weights_file.read_bytes()
    found = telemetry_of(runs[0])
    assert found.record.steps[0].backwards == 4
    assert found.setting.precision == "float16"
    first = [row for row in found.record.weights if row.step == 1]
    sizes = [math.prod(one.shape) for one in found.setting.parameters]
    whole = sum(row.gradient**2 * size for row, size in zip(first, sizes, strict=True))
    assert math.sqrt(whole) == pytest.approx(1e-3, rel=1e-3)


def test_loss_that_is_not_finite_names_step_pictures_and_module(
    folder: Path, tmp_path: Path
) -> None:
    code = tmp_path / "net.py"
    code.write_text(
        "import torch\nfrom torch import nn\n\n\n"
        "class Log(nn.Module):\n"
        "    def forward(self, values):\n"
        "        return torch.log(values - values + 0.0) * 0 if self.training else values\n\n\n"
        "def build(*, outputs, channels, size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, 4), Log(),\n"
        "                         nn.Linear(4, outputs))\n"
    )
    changes = {**QUICK, "model": f"{code}:build", "model_arguments": ()}
    listen = Listen()
    with pytest.raises(hubel.errors.TrainingError, match="The loss became nan"):
        hubel.train(folder, out=tmp_path / "run", watcher=listen, **changes)
    events = telemetry_of(Run(tmp_path / "run")).record.events
    assert [(one.kind, one.step) for one in events] == [
        ("non-finite-loss", 1), ("non-finite-module", 1),
    ]  # fmt: skip
    assert len(events[0].where) == 3
    assert events[1].where == ("2",)
    assert Run(tmp_path / "run").diagnosis() is not None
