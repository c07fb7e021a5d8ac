"""Checkpoints: written whole or not at all; damage is told, and the one before is used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from hubel.errors import RunError
from hubel.training.checkpoint import (
    LAST,
    PREVIOUS,
    Checkpoint,
    digest_of,
    load,
    load_newest,
    save,
)


def sample(step: int) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    return Checkpoint(
        {
            "model.weight": torch.randn(3, 4, generator=generator),
            "model.count": torch.tensor(step),
            "ema.weight": torch.randn(2, generator=generator, dtype=torch.float64),
        },
        {"step": step, "loss": 0.1 + 0.2, "best": float("-inf")},
    )


def test_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    before = sample(7)
    save(tmp_path / "a.safetensors", before)
    after = load(tmp_path / "a.safetensors")
    assert after.values == before.values
    assert after.tensors.keys() == before.tensors.keys()
    for name, tensor in before.tensors.items():
        assert after.tensors[name].dtype == tensor.dtype
        assert torch.equal(after.tensors[name], tensor)


def test_same_state_gives_same_bytes(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", sample(7))
    save(tmp_path / "b.safetensors", sample(7))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_part_cuts_the_prefix() -> None:
    part = sample(1).part("model")
    assert set(part) == {"weight", "count"}


def test_digest_is_sha256_over_names_types_shapes_and_bytes() -> None:
    tensor = torch.arange(6, dtype=torch.int16).reshape(2, 3)
    expected = hashlib.sha256(b"values" + b"x:torch.int16:(2, 3)" + tensor.numpy().tobytes())
    assert digest_of({"x": tensor}, "values") == expected.hexdigest()


def test_the_old_file_is_kept_as_previous(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path / LAST, sample(step), keep=tmp_path / PREVIOUS)
    assert load(tmp_path / LAST).values["step"] == 3
    assert load(tmp_path / PREVIOUS).values["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAST, PREVIOUS]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_last_gives_way_to_previous_and_says_so(tmp_path: Path, damage: str) -> None:
    for step in (1, 2):
        save(tmp_path / LAST, sample(step), keep=tmp_path / PREVIOUS)
    data = (tmp_path / LAST).read_bytes()
    spoiled = {
        "cut": data[: len(data) // 2],
        "flipped": data[:-1] + bytes([data[-1] ^ 1]),
        "empty": b"",
        "text": b"not a checkpoint",
    }[damage]
    (tmp_path / LAST).write_bytes(spoiled)
    checkpoint, problem = load_newest(tmp_path)
    assert checkpoint.values["step"] == 1
    assert "last.safetensors" in problem
    assert "The checkpoint before it is used" in problem


def test_flipped_bit_is_told_by_its_digest(tmp_path: Path) -> None:
    save(tmp_path / LAST, sample(1))
    data = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(RunError, match="is damaged: its digest does not fit"):
        load(tmp_path / LAST)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Could not read .*none.safetensors: No such file"):
        load(tmp_path / "none.safetensors")


def test_no_good_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no checkpoint"):
        load_newest(tmp_path)
    (tmp_path / LAST).write_bytes(b"x")
    with pytest.raises(RunError, match="No checkpoint of this run is good"):
        load_newest(tmp_path)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / LAST, sample(1), keep=tmp_path / PREVIOUS)

    def full(*_arguments: object, **_keywords: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match="No space left on device; the file before it is intact"):
        save(tmp_path / LAST, sample(2), keep=tmp_path / PREVIOUS)
    assert load(tmp_path / LAST).values["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


def test_an_unmakable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Could not make"):
        save(tmp_path / "file" / "inside" / LAST, sample(1))
