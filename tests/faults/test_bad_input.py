"""What people do wrong, or disks and downloads do to them: one clear sentence, nothing lost."""

from __future__ import annotations

import json
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.cli.main import run as command
from hubel.results import Run
from pictures import crop, make_folder

FLAGS = [
    *("--epochs", "1", "--batch", "8", "--size", "16", "--threads", "1"),
    *("--precision", "float32", "--channels-last"),
]


class Shell:
    """Runs the command line in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str | Path) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            status = command([str(argument) for argument in arguments])
        streams = self.capsys.readouterr()
        self.out, self.err = streams.out, streams.err
        assert "Traceback" not in self.err
        return status

    def fails(self, status: int, *arguments: str | Path) -> str:
        """Run what must end with `status`, and return its sentence."""
        assert self(*arguments) == status, self.err + self.out
        assert self.err.startswith("hubel: ")
        return self.err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def train(folder: Path, tmp_path: Path) -> list[str | Path]:
    return ["train", folder, "--out", tmp_path / "run", *FLAGS]


def test_empty_folder(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sentence = shell.fails(1, *train(tmp_path / "empty", tmp_path))
    assert "no picture" in sentence.lower()
    assert not (tmp_path / "run").exists()


def test_one_class(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "one", each=6)
    for picture in (folder / "flower").iterdir():
        picture.unlink()
    (folder / "flower").rmdir()
    sentence = shell.fails(1, *train(folder, tmp_path))
    assert "class" in sentence
    assert "china" in sentence
    assert not (tmp_path / "run").exists(), "an empty run folder was left behind"


def test_a_class_with_one_picture_is_named_and_trained_on(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    (folder / "rare").mkdir()
    crop(0, 999).save(folder / "rare" / "only.png")
    assert shell(*train(folder, tmp_path)) == 0
    inspection = Run(tmp_path / "run").inspection()
    assert inspection is not None
    tiny = [finding for finding in inspection.findings if finding.id == "data/tiny-class"]
    assert len(tiny) == 1
    assert "rare" in tiny[0].what + " ".join(tiny[0].where) + tiny[0].evidence
    counts = {count.name: count for count in inspection.classes}
    assert (counts["rare"].total, counts["rare"].train) == (1, 1)


def bomb(path: Path) -> None:
    """Write a PNG of a few bytes whose header says 60,000 × 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    data = zlib.compress(b"\0" * 1000)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def truncated(path: Path) -> None:
    crop(0, 77, 64).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:400])


BAD: dict[str, Callable[[Path], object]] = {
    "zero bytes": lambda path: path.write_bytes(b""),
    "truncated": truncated,
    "text": lambda path: path.write_text("this is no picture\n" * 20),
    "bomb": bomb,
    "half a header": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_named_counted_and_not_relabelled(
    kind: str, shell: Shell, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "pictures")
    bad = folder / "china" / "bad.jpg"
    BAD[kind](bad)
    assert shell("data", folder, "--out", tmp_path / "data", "--json") == 0
    inspection = json.loads(shell.out)
    assert inspection["pictures"] == 24
    assert len(inspection["undecodable"]) == 1
    assert inspection["undecodable"][0].startswith("china/bad.jpg: ")
    assert any(finding["id"] == "data/undecodable" for finding in inspection["findings"])
    assert shell(*train(folder, tmp_path)) == 0
    assert "china/bad.jpg" in (tmp_path / "run" / "data.csv").read_text()
    evaluated = Run(tmp_path / "run").evaluation()
    assert evaluated is not None
    assert len(evaluated.undecodable) == 1
    status = shell("predict", tmp_path / "run", bad, folder / "china" / "000.png", "--json")
    assert status == 1
    lines = [json.loads(line) for line in shell.out.splitlines()]
    assert lines[0]["path"] == str(bad)
    assert lines[0]["error"]
    assert lines[0]["label"] == ""
    assert lines[1]["error"] == ""
    assert lines[1]["label"] in {"china", "flower"}


def test_nothing_but_bad_pictures(shell: Shell, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "x.jpg").write_text("no")
    sentence = shell.fails(1, *train(tmp_path / "pictures", tmp_path))
    assert "can be decoded" in sentence
    assert "a/x.jpg" in sentence


def test_odd_sizes_train(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    Image.new("RGB", (1, 1), (200, 10, 10)).save(folder / "china" / "dot.png")
    strip = crop(1, 5, 100).resize((5000, 1))
    strip.save(folder / "flower" / "strip.png")
    strip.resize((1, 5000)).save(folder / "flower" / "column.png")
    for fit in ("crop", "letterbox", "squash"):
        assert shell(
            "train", folder, "--out", tmp_path / fit, "--fit", fit, *FLAGS
        ) == 0, shell.err  # fmt: skip
    pictures = [folder / "china" / "dot.png", folder / "flower" / "strip.png"]
    assert shell("predict", tmp_path / "crop", *pictures) == 0


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("path,label\npictures/china/000.png,\npictures/china/001.png,china\n", "label"),
        ("path,label\npictures/china/nine.png,china\npictures/china/001.png,x\n", "nine.png"),
        ("file,class\na.png,b\n", "path"),
        ("path,label,split\npictures/china/000.png,a,trian\npictures/china/001.png,b,test\n",
         "trian"),
        ("path,target\npictures/china/000.png,tall\n", "tall"),
        ("", ""),
    ],
)  # fmt: skip
def test_bad_tables(text: str, hint: str, shell: Shell, tmp_path: Path) -> None:
    make_folder(tmp_path / "pictures", each=2)
    table = tmp_path / "labels.csv"
    table.write_text(text)
    sentence = shell.fails(1, *train(table, tmp_path))
    assert hint in sentence
    assert "labels.csv" in sentence
    assert not (tmp_path / "run").exists()


def test_a_path_that_does_not_exist(shell: Shell, tmp_path: Path) -> None:
    make_folder(tmp_path / "pictures", each=1)
    for verb in ("train", "data"):
        sentence = shell.fails(2, verb, tmp_path / "picturs")
        assert "picturs" in sentence
        assert "pictures" in sentence.replace("picturs", "")
    for arguments in (["evaluate", tmp_path / "no"], ["report", tmp_path / "no"]):
        assert "There is no run folder" in shell.fails(2, *arguments)


def test_class_names_that_differ_in_case(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures", each=4)
    (folder / "China").mkdir()
    crop(0, 400).save(folder / "China" / "x.png")
    sentence = shell.fails(1, *train(folder, tmp_path))
    assert "China" in sentence
    assert "china" in sentence


def test_output_that_cannot_be_written(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures", each=4)
    (tmp_path / "file").write_text("")
    for verb in ("train", "data"):
        sentence = shell.fails(1, verb, folder, "--out", tmp_path / "file" / "run")
        assert "--out" in sentence


def test_a_folder_that_holds_a_run_is_not_overwritten(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    assert shell(*train(folder, tmp_path)) == 0
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert "--resume" in shell.fails(2, *train(folder, tmp_path))
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights


def test_a_full_disk_during_a_checkpoint(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path / "pictures")
    arguments = ["train", folder, *FLAGS[2:], "--epochs", "3", "--seed", "4"]
    assert shell(*arguments, "--out", tmp_path / "whole") == 0
    write = Path.write_bytes
    written = 0

    def fills_up(path: Path, data: bytes) -> int:
        nonlocal written
        if "last.safetensors" in path.name:
            written += 1
            if written == 3:
                write(path, data[: len(data) // 2])
                raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fills_up)
    sentence = shell.fails(1, *arguments, "--out", tmp_path / "run")
    assert "No space left on device" in sentence
    assert "intact" in sentence
    monkeypatch.undo()
    assert shell("train", "--resume", tmp_path / "run") == 0
    whole, resumed = (tmp_path / name / "model.safetensors" for name in ("whole", "run"))
    assert resumed.read_bytes() == whole.read_bytes()
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_leaks_in_ones_own_splits_stop_training(shell: Shell, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        make_folder(tmp_path / "pictures" / split, each=6)
    sentence = shell.fails(1, *train(tmp_path / "pictures", tmp_path))
    assert "--allow-leaks" in sentence
    assert "train/china/000.png" in sentence
    assert shell(*train(tmp_path / "pictures", tmp_path), "--allow-leaks") == 0


def test_a_flat_folder_is_inspected_but_not_trained_on(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in range(3):
        crop(0, number).save(folder / f"{number}.png")
    assert shell("data", folder, "--out", tmp_path / "data", "--json") == 0
    assert json.loads(shell.out)["pictures"] == 3
    assert "no labels" in shell.fails(1, *train(folder, tmp_path))


def test_both_checkpoints_damaged(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    assert shell(*train(folder, tmp_path)) == 0
    for name in ("last", "previous"):
        (tmp_path / "run" / "checkpoint" / f"{name}.safetensors").write_bytes(b"damaged")
    sentence = shell.fails(1, "train", "--resume", tmp_path / "run", "--epochs", "2")
    assert "No checkpoint of this run is good" in sentence


@pytest.mark.parametrize("name", ["plan.json", "model.json"])
def test_a_damaged_run(name: str, shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    assert shell(*train(folder, tmp_path)) == 0
    (tmp_path / "run" / name).write_text('{"architecture": 3}')
    picture = folder / "china" / "000.png"
    arguments = ["evaluate", tmp_path / "run"]
    if name == "model.json":
        arguments = ["predict", tmp_path / "run", picture]
    assert name in shell.fails(1, *arguments)


def test_network_and_size_that_do_not_fit(shell: Shell, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures")
    sentence = shell.fails(
        2, "train", folder, "--model", "lenet5", "--size", "64", "--out", tmp_path / "run"
    )
    assert "lenet5 takes pictures of 32 pixels" in sentence
    assert "lenet5" in shell.fails(2, "train", folder, "--model", "lenet", "--out", tmp_path / "r")
    assert "gaussian" in shell.fails(
        2, "train", folder, "--filters", "gausian:5", "--out", tmp_path / "r"
    )
    assert "mixup" in shell.fails(2, "train", folder, "--augment", "mixu", "--out", tmp_path / "r")
    assert "default" in shell.fails(
        2, "train", folder, "--recipe", "defalt", "--out", tmp_path / "r"
    )
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "r").exists()
