"""A process of several is killed, stopped or refused: the run goes on, or one sentence says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.errors import RunError, TrainingError, UsageError
from hubel.results import Run
from hubel.results.files import write_json
from hubel.training.checkpoint import BEST, load
from hubel.training.launched import RUN_NOTE
from hubel.training.loop import Interrupted
from hubel.workflows import launching
from hubel.workflows.launching import OUTCOME, Outcome
from pictures import make_folder

NETWORK = """
import os, signal, time
from pathlib import Path
from torch import nn

class Network(nn.Sequential):
    steps = 0

    def forward(self, inputs):
        if self.training and os.environ.get("RANK") == "1":
            self.steps += 1
            if self.steps == 3 and Path("kill").exists():
                Path("kill").unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        if self.training and Path("slow").exists():
            Path("begun").touch()
            time.sleep(0.05)
        return super().forward(inputs)

def build(*, outputs, channels, size):
    return Network(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(16, outputs),
    )
"""
FLAGS = [
    *("--model", "net.py:build", "--optimizer", "momentum", "--lr", "0.02", "--ema", "0"),
    *("--batch", "8", "--size", "12", "--threads", "1", "--precision", "float32"),
    *("--channels-last", "--checkpoint-every", "0.001s"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_folder(tmp_path / "photos")
    (tmp_path / "net.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hubel_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hubel", *arguments]


def test_a_killed_process_is_started_again_and_the_run_ends(place: Path) -> None:
    (place / "kill").touch()
    command = ["train", "photos", *FLAGS, "--epochs", "2", "--out", "two", "--processes", "2"]
    done = subprocess.run(hubel_command(*command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert not (place / "kill").exists()
    assert "all were started again (1 of 3 times)" in done.stdout
    assert done.stdout.count("Report: two") == 1
    assert "Traceback" not in done.stderr
    assert Run(Path("two")).plan()["processes"] == 2
    one = hubel.train(
        "photos", model="net.py:build", optimizer="momentum", lr=0.02, ema=0.0, batch=8, size=12,
        threads=1, precision="float32", channels_last=True, epochs=2, out="one",
    )  # fmt: skip
    alone, together = (load(Path(run) / "checkpoint" / BEST).tensors for run in ("one", "two"))
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, atol=1e-4, rtol=1e-3)
    assert one.evaluation() is not None
    assert Run(Path("two")).evaluation().pictures == one.evaluation().pictures


def test_ctrl_c_reaches_the_processes(place: Path) -> None:
    (place / "slow").touch()
    command = ["train", "photos", *FLAGS, "--epochs", "500", "--out", "run", "--processes", "2"]
    started = subprocess.Popen(
        hubel_command(*command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (place / "begun").exists():
        assert started.poll() is None
        time.sleep(0.1)
    os.kill(started.pid, signal.SIGINT)
    out, err = started.communicate(timeout=120)
    assert started.returncode == 130, out + err
    assert "Stopped, and saved. Go on with: hubel train --resume run" in out
    assert "Traceback" not in err
    assert (place / "run" / "checkpoint" / "last.safetensors").is_file()


def test_what_the_processes_say_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {
        "gone": Outcome(error="RunError", sentence="The disk is full."),
        "odd": Outcome(error="PictureError", sentence="a.png: no picture."),
        "stopped": Outcome(interrupted=True, run="runs/a"),
        "early": Outcome(interrupted=True),
        "well": Outcome(run="runs/a"),
    }
    asked = ""

    def watch_over(folder: Path, processes: int, restarts: int) -> None:
        assert (processes, restarts) == (2, 3)
        write_json(folder / OUTCOME, outcomes[asked])

    monkeypatch.setattr(launching, "_watch_over", watch_over)
    expected = {
        "gone": (RunError, "The disk is full"),
        "odd": (TrainingError, "no picture"),
        "stopped": (Interrupted, "runs/a"),
        "early": (KeyboardInterrupt, "^$"),
    }
    for name, (kind, sentence) in expected.items():
        asked = name
        with pytest.raises(kind, match=sentence):
            hubel.train("digits", processes=2)
    asked = "well"
    assert hubel.train("digits", processes=2).path == Path("runs/a")


def test_killed_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    def watch_over(folder: Path, processes: int, restarts: int) -> str:
        (folder / RUN_NOTE).write_text("runs/a")
        return "Process 1 of the training was killed (SIGKILL), after 3 restarts"

    monkeypatch.setattr(launching, "_watch_over", watch_over)
    with pytest.raises(TrainingError, match=r"SIGKILL.*go on with: hubel train --resume runs/a"):
        hubel.train("digits", processes=2)


def test_sources_made_in_python_need_torchrun() -> None:
    from stripes import Stripes

    with pytest.raises(UsageError, match="start your script with torchrun"):
        hubel.train(Stripes(), processes=2)
