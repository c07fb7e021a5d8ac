"""A training with a cache of decoded pictures: the plan, the bits, the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from hubel.data.cache import PictureCache
from hubel.errors import UsageError
from hubel.workflows.caching import tell_problem
from hubel.workflows.train import train
from hubel.workflows.watching import Watcher

SETTINGS = {"epochs": 2, "size": 16, "batch": 8, "threads": 1, "channels_last": False,
            "precision": "float32", "allow_leaks": True, "augment": ("safe",)}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    random = np.random.default_rng(0)
    home = tmp_path_factory.mktemp("pictures")
    for name, level in (("dark", 60), ("light", 180)):
        (home / name).mkdir()
        for place in range(14):
            pixels = (level + random.integers(-40, 40, (30, 26, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(home / name / f"{place}.png")
    return home


def test_with_and_without_a_cache_the_weights_are_the_same(folder: Path, tmp_path: Path) -> None:
    cached = train(folder, out=tmp_path / "cached", **SETTINGS)
    plain = train(folder, out=tmp_path / "plain", cache="none", **SETTINGS)
    one, other = load_file(cached.weights_file), load_file(plain.weights_file)
    assert all(torch.equal(one[name], other[name]) for name in other)
    choices = {choice.name: choice for choice in cached.plan().choices}
    assert choices["cache_bytes"].value > 10**6
    assert choices["cache_bytes"].chosen_by == "hubel"
    assert choices["cache_bytes"].reason.startswith("a quarter of the free ")
    assert plain.plan()["cache_bytes"] == 0
    training = cached.training()
    assert training is not None
    assert 0 <= training.waiting_share < 1
    assert not [path for path in cached.path.iterdir() if path.name.startswith("tmp")]


def test_arrays_need_no_cache(tmp_path: Path) -> None:
    settings = SETTINGS | {"size": None, "augment": ("none",), "epochs": 1, "batch": 512}
    run = train("digits", out=tmp_path / "run", **settings)
    assert run.plan()["cache_bytes"] == 0


def test_a_size_that_the_disk_does_not_have(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--cache 900TB is more than the [\d,.]+ GB that are free"
    ):
        train(folder, out=tmp_path / "run", cache="900TB", **SETTINGS)


def test_a_problem_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []

    class Listener(Watcher):
        def said(self, sentence: str) -> None:
            told.append(sentence)

    cache = PictureCache(tmp_path / "gone", 1000, 1)
    tell_problem(cache, Listener())
    assert told == []
    cache.put(0, np.zeros((2, 2, 1), np.uint8))
    tell_problem(cache, Listener())
    assert len(told) == 1
    assert "are decoded in each pass" in told[0]
