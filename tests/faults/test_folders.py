"""What happens to a run's folder while it is trained: in use, gone, moved, full, unreadable."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.cli.main import run as command
from hubel.errors import RunError, TrainingError, UsageError
from hubel.results import EpochRow, Run
from hubel.results import files as results_files
from hubel.training.events import StepEvent
from hubel.workflows import assembling
from hubel.workflows.locking import RunLock
from hubel.workflows.watching import Watcher
from pictures import make_folder

SETTINGS: dict[str, Any] = {
    "epochs": 3, "batch": 8, "size": 16, "threads": 1, "precision": "float32",
    "channels_last": False,
}  # fmt: skip


class Told(Watcher):
    """Does something after a step or a pass, and keeps what is said."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        self.step = step
        self.act = act
        self.sentences: list[str] = []

    def stepped(self, event: StepEvent) -> None:
        if event.step == self.step:
            self.act()

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)


class AfterPass(Told):
    """The same, after a pass."""

    def stepped(self, event: StepEvent) -> None:
        del event

    def passed(self, row: EpochRow) -> None:
        if row.epoch == self.step:
            self.act()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures"), each=6)


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    run = hubel.train(pictures, out=tmp_path_factory.mktemp("runs") / "whole", **SETTINGS)
    return run.weights_file.read_bytes()


def test_a_second_training_in_a_folder_is_refused(pictures: Path, tmp_path: Path) -> None:
    run = hubel.train(pictures, out=tmp_path / "run", **SETTINGS)
    with RunLock() as lock:
        lock.take(run.path)
        with pytest.raises(RunError, match=r"Another training \(process \d+ on .*\) works in"):
            hubel.train(resume=run.path, epochs=4)
        (tmp_path / "new").mkdir()
        lock.take(tmp_path / "new")
        with pytest.raises(RunError, match="wait until it ends"):
            hubel.train(pictures, out=tmp_path / "new", **SETTINGS)
    assert hubel.train(resume=run.path, epochs=4).training().epochs == 4


def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    lock = RunLock()
    lock.take(tmp_path)
    assert "cannot be locked against a second training" in lock.problem


@pytest.mark.parametrize("kind", [Told, AfterPass])
@pytest.mark.parametrize("moved", [False, True])
def test_a_folder_that_goes_away_is_written_again(
    kind: type[Told], moved: bool, pictures: Path, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def away() -> None:
        out.rename(tmp_path / "elsewhere") if moved else shutil.rmtree(out)

    watcher = kind(3 if kind is AfterPass else 2, away)
    run = hubel.train(pictures, out=out, watcher=watcher, **SETTINGS)
    assert run.weights_file.read_bytes() == whole
    assert any("it is written again, and the training goes on" in one for one in watcher.sentences)
    for name in ("options.toml", "data.csv", "model.json", "check.json", "log.csv", "report.html"):
        assert (out / name).is_file(), name
    assert [one.name for one in run.plan().choices]
    assert len(run.log_file.read_text().splitlines()) == 4


def failing(monkeypatch: pytest.MonkeyPatch, name: str, times: int = 99) -> None:
    """Let writes of files of this name fail as on a full disk."""
    write, left = Path.write_bytes, times

    def full(path: Path, data: bytes) -> int:
        nonlocal left
        if path.name.startswith(f".{name}.") and left:
            left -= 1
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)


def test_a_full_disk_stops_no_training_for_its_log(
    pictures: Path, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "log.csv", times=2)
    watcher = Told(0, lambda: None)
    run = hubel.train(pictures, out=tmp_path / "run", watcher=watcher, **SETTINGS)
    assert run.weights_file.read_bytes() == whole
    said = [one for one in watcher.sentences if "log.csv" in one]
    assert len(said) == 1, "said once"
    assert "The training goes on; the log is tried again" in said[0]
    assert len(run.log_file.read_text().splitlines()) == 4, "all rows came with the last"


def test_tensorboard_that_cannot_be_written_is_said_once(
    pictures: Path, whole: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def spoil() -> None:
        shutil.rmtree(tmp_path / "run" / "tensorboard")
        (tmp_path / "run" / "tensorboard").write_text("a file")

    watcher = Told(1, spoil)
    run = hubel.train(pictures, out=tmp_path / "run", watcher=watcher, **SETTINGS)
    assert run.weights_file.read_bytes() == whole
    assert len([one for one in watcher.sentences if "goes on without it" in one]) == 1
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["last.safetensors", "model.safetensors", "report.html"])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(
    name: str, pictures: Path, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        watcher = Told(3, lambda: failing(patched, name))
        with pytest.raises(RunError, match=r"No space left on device.*go on with: hubel train --r"):
            hubel.train(pictures, out=out, watcher=watcher, **SETTINGS)
    run = hubel.train(resume=out)
    assert run.weights_file.read_bytes() == whole
    assert run.report_file.is_file()


def test_stopped_before_its_first_step_it_begins_again(
    pictures: Path, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    hubel.train(pictures, out=out, **SETTINGS)
    for path in out.iterdir():
        if path.name not in ("options.toml", ".lock"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(RunError, match="stopped before its first step; go on with"):
        hubel.evaluate(out)
    assert hubel.train(resume=out).weights_file.read_bytes() == whole


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("epochs = [", "cannot be used"),
        ("epochs = 'x'\nsource='digits'", "cannot be used"),
        ("epochz = 3", "no option 'epochz'"),
        ("epochs = 3", "names no source of pictures"),
    ],
)
def test_damaged_options_of_a_training_that_begins_again(
    text: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "options.toml").write_text(text)
    with pytest.raises(RunError, match=hint):
        hubel.train(resume=tmp_path)


def test_code_is_not_run_by_beginning_again(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "net.py"
    code.write_text("raise SystemExit('ran')")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "options.toml").write_text(
        f"source = '{pictures}'\nmodel = '{code}:build'\nsize = 16\n"
    )
    with pytest.raises(UsageError, match="--trust-code"):
        hubel.train(resume=tmp_path / "run")


def test_a_plan_without_a_checkpoint(pictures: Path, tmp_path: Path) -> None:
    run = hubel.train(pictures, out=tmp_path / "run", **SETTINGS)
    shutil.rmtree(run.checkpoints)
    with pytest.raises(RunError, match="holds no checkpoint: train again from the start"):
        hubel.train(resume=run.path, epochs=4)


def test_an_early_stopped_run_is_extended(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter(range(100, 0, -1))
    worse = lambda *_, **__: (1.0, next(scores) / 100)  # noqa: E731
    monkeypatch.setattr(assembling, "quick_score", worse)
    run = hubel.train(pictures, out=tmp_path / "run", patience=1, **{**SETTINGS, "epochs": 9})
    stopped = run.training()
    assert stopped is not None
    assert stopped.ended == "early-stopping"
    run.report_file.unlink()  # killed before its report: --resume writes that, and no more
    again = hubel.train(resume=run.path).training()
    assert again.steps == stopped.steps
    assert run.report_file.is_file()
    longer = hubel.train(resume=run.path, epochs=20).training()
    assert longer.steps > stopped.steps


def test_a_picture_that_goes_away_or_is_replaced(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures", each=6)
    flags = {**SETTINGS, "out": tmp_path / "run", "cache": "none"}

    def hide() -> None:
        for path in (folder / "china").iterdir():
            path.rename(path.with_suffix(".away"))

    with pytest.raises(TrainingError, match=r"read any more.*no such file.*--resume"):
        hubel.train(folder, watcher=AfterPass(1, hide), **flags)
    for path in (folder / "china").iterdir():
        path.rename(path.with_suffix(".png"))

    def swap() -> None:
        for path in (folder / "china").iterdir():
            path.write_bytes((folder / "flower" / path.name).read_bytes())

    kept = {path: path.read_bytes() for path in (folder / "china").iterdir()}
    with pytest.raises(TrainingError, match="it was replaced since it was first read"):
        hubel.train(resume=tmp_path / "run", watcher=AfterPass(2, swap))
    for path, data in kept.items():
        path.write_bytes(data)
    assert hubel.train(resume=tmp_path / "run").training() is not None


def test_a_picture_that_is_touched_does_no_harm(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures", each=6)

    def touch() -> None:
        for path in folder.rglob("*.png"):
            path.write_bytes(path.read_bytes())

    run = hubel.train(folder, out=tmp_path / "run", watcher=AfterPass(1, touch), **SETTINGS)
    assert run.training() is not None


def test_no_clock_that_can_go_back_decides_anything() -> None:
    sources = Path(hubel.__file__).parent.rglob("*.py")
    wall = [
        path.name
        for path in sources
        if any(name in path.read_text() for name in ("time.time(", "datetime.now", "time_ns("))
    ]
    assert wall == ["logs.py"], "TensorBoard's events alone carry the time of day"


def test_odd_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path / "pictures é\u2028 'x'", each=4)
    (folder / "china").rename(folder / "-- china; rm")
    run = tmp_path / "run [b]\n日本"
    flags = ["--epochs", "1", "--batch", "8", "--size", "16", "--threads", "1"]
    assert command(["train", str(folder), "--out", str(run), *flags]) == 0
    assert Run(run).training() is not None
    assert command(["evaluate", str(run)]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_the_json_reader_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_files, "MAX_BYTES", 10)
    (tmp_path / "plan.json").write_text('{"choices": []}')
    with pytest.raises(RunError, match="it is larger than"):
        Run(tmp_path).plan()


def test_a_real_limit_of_the_system_on_files(pictures: Path, whole: bytes, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    out = tmp_path / "run"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    try:
        limit()
        with pytest.raises(RunError, match=r"last\.safetensors: File too large"):
            hubel.train(pictures, out=out, **SETTINGS)
        assert not out.exists(), "nothing to keep"
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        with pytest.raises(RunError, match=r"safetensors: File too large.*go on with: hubel train"):
            hubel.train(pictures, out=out, watcher=Told(2, limit), **SETTINGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert hubel.train(resume=out).weights_file.read_bytes() == whole
    assert not list(out.rglob("*.tmp"))
