"""A step happens wholly or not at all; where memory runs out, in halves and to the same bits."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.errors import TrainingError
from hubel.training.checkpoint import load_newest
from hubel.training.events import Observer, StepEvent
from hubel.training.halving import Halvings
from hubel.training.loop import Interrupted, Trainer
from stripes import CLASSES, StopAt, assert_same, make_trainer

MESSAGE = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."
PLAIN = {"augment": ("safe",), "batch": 8, "accumulate": 1, "steps": 3}


class Backwards(torch.autograd.Function):
    """Runs out of memory on the way back."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        return inputs.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise RuntimeError(MESSAGE)


class Tight(nn.Module):
    """Lets at most `most` pictures through while it trains, forwards or backwards."""

    def __init__(self, most: int = 1000, *, back: bool = False) -> None:
        super().__init__()
        self.most = most
        self.back = back
        self.refused: list[weakref.ref[Tensor]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        assert all(reference() is None for reference in self.refused), "a failed attempt lives on"
        if self.training and len(inputs) > self.most:
            self.refused.append(weakref.ref(inputs))
            if not self.back:
                raise RuntimeError(MESSAGE)
            return Backwards.apply(inputs)
        return inputs


def network(tight: Tight, *, statistics: bool = True) -> nn.Module:
    """Fails after batch statistics were taken and dropout was drawn."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4) if statistics else nn.Identity(),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        tight,
        nn.Linear(4 * 36, CLASSES),
    )


def make(folder: Path, tight: Tight, *, statistics: bool = True, **changes: Any) -> Trainer:
    torch.manual_seed(1)
    return make_trainer(folder, module=network(tight, statistics=statistics), **changes)


class Keep(Observer):
    """Keeps what was halved and said; makes memory scarce after a step."""

    def __init__(self, tight: Tight, at: int = -1, most: int = 2) -> None:
        self.tight, self.at, self.most = tight, at, most
        self.halvings, self.validation = Halvings(), Halvings()
        self.sentences: list[str] = []

    def stepped(self, event: StepEvent) -> None:
        if event.step == self.at:
            self.tight.most = self.most

    def halved(self, halvings: Halvings, validation: Halvings) -> None:
        self.halvings, self.validation = halvings, validation

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.mark.parametrize("back", [False, True])
def test_halves_are_the_accumulation_that_was_there_from_the_start(
    tmp_path: Path, *, back: bool
) -> None:
    tight = Tight(4, back=back)
    halved = make(tmp_path / "halved", tight, statistics=False, **PLAIN)
    keep = Keep(tight)
    halved.observers = [keep]
    halved.train()
    assert keep.halvings == Halvings(((0, 4),))
    assert (
        "in step 1: from here on 4 pictures go through the network at a time instead of 8"
        in (keep.sentences[0])
    )
    assert keep.sentences[0].endswith("The result is the same up to rounding.")
    asked = PLAIN | {"batch": 4, "accumulate": 2}
    make(tmp_path / "asked", Tight(), statistics=False, **asked).train()
    assert_same(tmp_path / "halved", tmp_path / "asked")
    whole = make(tmp_path / "whole", Tight(), statistics=False, **PLAIN | {"l1": 0.0})
    whole.train()


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("stop", [3, 6])
def test_a_run_that_ran_out_of_memory_is_resumed_to_the_same_bits(
    tmp_path: Path, stop: int, *, back: bool
) -> None:
    """The failed attempts have left no trace: the other run, with more memory, never made them."""
    tight = Tight(back=back)
    first = make(tmp_path / "first", tight)
    keep = Keep(tight, at=5)
    first.observers = [keep]
    first.train()
    assert keep.halvings == Halvings(((5, 2),))
    assert "Batch normalisation takes its statistics" in keep.sentences[0]
    entries = keep.halvings.entries
    other = make(tmp_path / "other", Tight(), halvings=entries)
    observer = StopAt(stop)
    observer.trainer = other
    other.observers = [observer]
    with pytest.raises(Interrupted):
        other.train()
    torch.manual_seed(999)
    again = make(tmp_path / "other", Tight(), halvings=entries)
    again.restore(load_newest(tmp_path / "other" / "checkpoint")[0])
    again.train()
    assert_same(tmp_path / "first", tmp_path / "other")


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "nesterov"])
def test_memory_for_the_state_of_the_optimizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Any
) -> None:
    """The first update fails with part of its state made; nothing else has changed."""
    changes: dict[str, Any] = {"optimizer": optimizer, "steps": 4}
    first = make(tmp_path / "first", Tight(), **changes)
    keep = Keep(Tight())
    first.observers = [keep]
    step, failed = first.updater.optimizer.step, []

    def scarce() -> None:
        if not failed:
            failed.append(True)
            weight = first.updater.parameters[0]
            first.updater.optimizer.state[weight]["exp_avg"] = torch.ones(3)
            raise MemoryError
        step()

    monkeypatch.setattr(first.updater.optimizer, "step", scarce)
    first.train()
    assert keep.halvings == Halvings(((0, 2),))
    make(tmp_path / "other", Tight(), halvings=((0, 2),), **changes).train()
    assert_same(tmp_path / "first", tmp_path / "other")


def test_an_update_that_breaks_off_in_its_middle_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(tmp_path, Tight())
    trainer.save_checkpoint()

    @torch.no_grad()
    def breaks_off() -> None:
        trainer.updater.parameters[0].add_(1.0)
        raise MemoryError

    monkeypatch.setattr(trainer.updater.optimizer, "step", breaks_off)
    with pytest.raises(TrainingError, match="in step 1 while the weights were updated .* intact"):
        trainer.train()
    assert load_newest(tmp_path / "checkpoint")[0].values["step"] == 0


def test_memory_for_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(tmp_path / "first", Tight())
    source, reads = first.loader.source, []
    read = source.read

    def scarce(position: int) -> Any:
        reads.append(position)
        if len(reads) == 20:
            raise MemoryError
        return read(position)

    monkeypatch.setattr(source, "read", scarce)
    keep = Keep(Tight())
    first.observers = [keep]
    first.train()
    entries = keep.halvings.entries
    assert [at_once for _, at_once in entries] == [2]
    make(tmp_path / "other", Tight(), halvings=entries).train()
    assert_same(tmp_path / "first", tmp_path / "other")


def test_memory_that_does_not_suffice_for_one_picture(tmp_path: Path) -> None:
    tight = Tight()
    trainer = make(tmp_path, tight, checkpoint_every_s=0.0)
    keep = Keep(tight, at=5, most=0)
    trainer.observers = [keep]
    said = r"in step 6 even with 1 picture at a time \(DefaultCPU.*intact\. Try a smaller --size"
    with pytest.raises(TrainingError, match=said):
        trainer.train()
    assert keep.halvings == Halvings()
    assert load_newest(tmp_path / "checkpoint")[0].values["step"] == 5


def test_batch_normalisation_that_needs_two_pictures(tmp_path: Path) -> None:
    tight = Tight(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES), nn.BatchNorm1d(CLASSES), tight)
    trainer = make_trainer(tmp_path, module=module)
    with pytest.raises(TrainingError, match="even with 1 picture at a time .Expected more than 1"):
        trainer.train()


def test_other_errors_are_not_taken_for_memory(tmp_path: Path) -> None:
    trainer = make(tmp_path, Tight())
    trainer.module[6] = nn.Linear(7, CLASSES)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        trainer.train()


def test_rehearsal_meets_the_same_limits(tmp_path: Path) -> None:
    trainer = make(tmp_path, Tight(2))
    assert trainer.rehearse(0.0) > 0
    assert trainer.stepper.at_once == 2


def test_validation_is_cut_and_that_is_recorded(tmp_path: Path) -> None:
    tight = Tight()
    trainer = make(tmp_path, tight)
    failures = iter([False, True] + [False] * 10)

    def validate(module: nn.Module) -> tuple[float, float]:
        if next(failures):
            trainer.portions.at_once = 64
        return 1.0, 0.5

    trainer.validate = validate
    keep = Keep(tight)
    trainer.observers = [keep]
    trainer.train()
    assert keep.validation == Halvings(((8, 64),))
    assert keep.halvings == Halvings()
    assert len(keep.sentences) == 1
    assert "the validation after step 8: from here on at most 64 pictures" in keep.sentences[0]


def test_a_checkpoint_without_memory_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(tmp_path, Tight(), checkpoint_every_s=0.0)
    keep = Keep(Tight())
    trainer.observers = [keep]
    save = trainer.save_checkpoint

    def scarce() -> None:
        if trainer.progress.step in {3, 7}:
            raise MemoryError
        save()

    monkeypatch.setattr(trainer, "save_checkpoint", scarce)
    assert trainer.train() == "finished"
    assert ["checkpoint after step 3" in keep.sentences[0], len(keep.sentences)] == [True, 2]


def test_other_errors_of_a_checkpoint_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(tmp_path, Tight(), checkpoint_every_s=0.0)

    def broken() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer, "save_checkpoint", broken)
    with pytest.raises(OSError, match="No space"):
        trainer.train()
