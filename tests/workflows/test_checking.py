"""The check before a training: it stops no training and changes none of its bits."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.errors import HubelError
from hubel.results import Run
from hubel.workflows import checking, preparing
from hubel.workflows.watching import Watcher
from pictures import make_folder

QUICK = {
    "epochs": 1, "batch": 8, "size": 16, "threads": 1, "precision": "float32",
    "channels_last": True, "dropout": 0.3, "augment": ("safe", "mixup"),
}  # fmt: skip


class Listen(Watcher):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures"), each=16)


@pytest.fixture(scope="module")
def checked(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = hubel.train(folder, out=tmp_path_factory.mktemp("runs") / "checked", **QUICK)
    assert run.stage_file("check").is_file()
    return run


def test_without_a_check_the_bits_are_the_same(
    checked: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "check_before", lambda *_: None)
    run = hubel.train(folder, out=tmp_path / "run", **QUICK)
    assert not run.stage_file("check").is_file()
    assert run.weights_file.read_bytes() == checked.weights_file.read_bytes()


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (
            AttributeError("'Odd' object has no attribute 'weight'\nand more"),
            "(AttributeError: 'Odd' object has no attribute 'weight'); it is trained all the same.",
        ),
        (RecursionError(), "(RecursionError); it is trained all the same."),
        (HubelError("It has no shape."), "The network's design was not checked: It has no shape."),
    ],
)
def test_what_goes_wrong_in_a_check_stops_no_training(
    problem: Exception,
    sentence: str,
    checked: Run,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_named: Any) -> None:
        torch.rand(3)
        np.random.default_rng()
        np.random.rand(3)  # noqa: NPY002 - the global generator is what a check could disturb
        random.random()
        raise problem

    monkeypatch.setattr(checking, "check_network", fail)
    watcher = Listen()
    run = hubel.train(folder, out=tmp_path / "run", watcher=watcher, **QUICK)
    assert any(told.endswith(sentence) for told in watcher.sentences), watcher.sentences
    assert not run.stage_file("check").is_file()
    assert run.weights_file.read_bytes() == checked.weights_file.read_bytes()


def test_an_interrupt_during_the_check_is_not_swallowed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "check_network", interrupt)
    with pytest.raises(KeyboardInterrupt):
        hubel.train(folder, out=tmp_path / "run", **QUICK)
