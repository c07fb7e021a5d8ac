"""The doctor speaks once about a root cause, and stops a training where it is told to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

import hubel
from doctored import QUICK, Listen, fall_ill
from hubel.cli.main import run as command
from hubel.errors import TrainingError, UsageError
from hubel.results import Run
from pictures import make_folder

FLAGS = [
    *("--epochs", "2", "--batch", "4", "--size", "16", "--threads", "1", "--model-arguments"),
    *("width=8", "--precision", "float32", "--no-channels-last"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures"), each=8)


def test_one_line_a_root_cause(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_ill(monkeypatch, lambda case: bool(case.record.steps))
    listen = Listen()
    run = hubel.train(folder, out=tmp_path / "run", watcher=listen, **QUICK)
    assert listen.of_the_doctor == [
        "Doctor, after step 3: Something is wrong. (measured 1) Mend it."
    ]
    diagnosis = run.diagnosis()
    assert diagnosis is not None
    assert [cause.id for cause in diagnosis.causes] == ["loss/test"]


def test_an_illness_of_a_later_pass_is_seen(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_ill(monkeypatch, lambda case: len(case.record.steps) > 3)
    listen = Listen()
    hubel.train(folder, out=tmp_path / "run", watcher=listen, **QUICK)
    assert [one.partition(":")[0] for one in listen.of_the_doctor] == ["Doctor, after step 6"]


def test_the_end_of_a_pass_is_looked_at_after_an_early_look(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.workflows.doctor.sampling._EXAMINED", (3,))
    fall_ill(
        monkeypatch,
        lambda case: (
            any(
                (one.split, one.step) == ("val", 3) and one.mode == "eval" and one.pass_number == 1
                for one in case.record.evaluations
            )
            and len(case.record.steps) == 3
        ),
    )
    listen = Listen()
    hubel.train(folder, out=tmp_path / "run", watcher=listen, **QUICK)
    assert [one.partition(":")[0] for one in listen.of_the_doctor] == ["Doctor, after step 3"]


def test_what_shows_only_at_the_end_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.workflows.doctor.sampling.Sampling.examined", lambda *_, **__: False)
    fall_ill(monkeypatch, lambda case: bool(case.record.steps))
    listen = Listen()
    hubel.train(folder, out=tmp_path / "run", watcher=listen, **QUICK)
    assert [one.partition(":")[0] for one in listen.of_the_doctor] == ["Doctor, after step 6"]


def test_stopped_saved_and_gone_on_with(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hubel.train(folder, out=tmp_path / "whole", **QUICK)
    fall_ill(monkeypatch, lambda case: bool(case.record.steps))
    out = tmp_path / "run"
    with pytest.raises(TrainingError) as stopped:
        hubel.train(folder, out=out, stop_on="error", **QUICK)
    assert str(stopped.value) == (
        "The doctor stopped the training after step 3, as --stop-on error asks: Something is "
        "wrong. (measured 1) Mend it. The state is saved, the diagnosis stands in "
        f"{out / 'diagnosis.json'}; to go on all the same: hubel train --resume {out}"
    )
    assert not Run(out).finished
    diagnosis = Run(out).diagnosis()
    assert diagnosis is not None
    assert (diagnosis.step, [cause.id for cause in diagnosis.causes]) == (3, ["loss/test"])
    run = hubel.train(resume=out)
    assert run.weights_file.read_bytes() == whole.weights_file.read_bytes()


def test_a_warning_stops_only_where_warnings_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_ill(monkeypatch, lambda case: bool(case.record.steps), severity="warning")
    assert hubel.train(folder, out=tmp_path / "one", stop_on="error", **QUICK).finished
    with pytest.raises(TrainingError, match="as --stop-on warning asks"):
        hubel.train(folder, out=tmp_path / "two", stop_on="warning", **QUICK)


def test_the_command_ends_with_status_1(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fall_ill(monkeypatch, lambda case: bool(case.record.steps))
    out = str(tmp_path / "run")
    assert command(["train", str(folder), "--out", out, "--stop-on", "error", *FLAGS]) == 1
    assert "hubel: The doctor stopped the training" in capsys.readouterr().err
    assert command(["train", "--resume", out, "--no-doctor"]) == 0


def test_a_doctor_who_was_sent_away_cannot_stop(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--stop-on error asks the doctor .* --no-doctor sends"):
        hubel.train(folder, out=tmp_path / "run", doctor=False, stop_on="error", **QUICK)
