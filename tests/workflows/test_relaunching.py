"""What several processes must agree on before they train."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubel.cli.main import run as command
from hubel.errors import RunError, UsageError
from hubel.options import TrainOptions
from hubel.training.distribution import ALONE, LostError, World, _connected
from hubel.training.launched import Launched
from hubel.workflows.relaunching import require_fitting, require_seen


def test_processes_and_torchrun_say_the_same() -> None:
    world = World(Launched(by_torch=True, size=2))
    require_fitting(TrainOptions(), world)
    require_fitting(TrainOptions(processes=2), world)
    with pytest.raises(UsageError, match="--processes 3 does not fit the 2 that torchrun"):
        require_fitting(TrainOptions(processes=3), world)


def test_all_machines_see_the_run_folder(tmp_path: Path) -> None:
    require_seen(tmp_path, ALONE)
    with pytest.raises(RunError, match="cannot be seen from .*on a disk that all machines share"):
        require_seen(tmp_path / "none", ALONE)


def test_only_train_runs_in_several_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert command(["evaluate", "run"]) == 2
    assert "run hubel evaluate without torchrun" in capsys.readouterr().err


def test_a_lost_process_is_one_sentence() -> None:
    with pytest.raises(LostError, match="Another process of this training has ended"), _connected():
        raise RuntimeError("Connection closed by peer")
