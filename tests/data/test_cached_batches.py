"""Batches with a cache have the same bits as without one, whatever it holds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.augmentation import Augmentation
from hubel.data.batching import BatchLoader
from hubel.data.cache import PictureCache
from hubel.data.preprocessing import Preprocessing
from hubel.options.preprocessing import PreprocessingOptions

RANDOM = np.random.default_rng(7)
COUNT = 23


def encoded(kind: str, place: int) -> bytes:
    side = 9 + place % 31
    pixels = RANDOM.integers(0, 256, (side, 14 + place % 17, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


FILES = [encoded("JPEG" if place % 2 else "PNG", place) for place in range(COUNT)]


class Counted:
    """A source's pictures that counts how often each is read."""

    def __init__(self, files: list[object]) -> None:
        self.files = files
        self.reads = [0] * len(files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> object:
        self.reads[place] += 1
        return self.files[place]


def loader(pictures, files, cache=None, names=(), **options) -> BatchLoader:
    preprocessing = Preprocessing.measure(
        PreprocessingOptions(**options), pictures(FILES), np.arange(COUNT), size=8, grey=False
    )
    positions = np.arange(len(files))
    return BatchLoader(
        pictures(files),
        positions,
        preprocessing,
        positions % 3,
        batch=5,
        seed=1,
        augmentation=Augmentation.from_names(names, num_classes=3, seed=2),
        shuffle=True,
        threads=3,
        cache=cache,
    )


def inputs(made: BatchLoader, epoch: int) -> torch.Tensor:
    return torch.cat([batch.inputs for batch in made.epoch(epoch)])


@pytest.mark.parametrize("limit", [10**6, 900], ids=["all", "a few"])
@pytest.mark.parametrize(
    ("names", "options"),
    [
        ((), {}),
        (("safe", "mirror"), {}),
        (("randaugment", "crop"), {"fit": "crop"}),
        (("shift", "mixup"), {"fit": "squash", "colour": "hsv", "filters": ("blur:3",)}),
    ],
    ids=str,
)
def test_the_cache_never_changes_a_bit(pictures, tmp_path: Path, limit, names, options) -> None:
    cache = PictureCache(tmp_path, limit, COUNT)
    files = Counted(FILES)
    cached, plain = (
        loader(pictures, each, kept, names, **options)
        for each, kept in ((files, cache), (FILES, None))
    )
    for epoch in range(3):
        assert torch.equal(inputs(cached, epoch), inputs(plain, epoch))
    assert 0 < cache.held_bytes <= limit
    held = cache.held_pictures
    assert held == COUNT if limit > 1000 else 0 < held < COUNT
    assert sum(files.reads) == held + 3 * (COUNT - held)
    cache.close()


def test_arrays_are_not_cached(pictures, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 10**6, COUNT)
    arrays = [RANDOM.integers(0, 256, (20, 20, 3), dtype=np.uint8) for _ in range(COUNT)]
    inputs(loader(pictures, arrays, cache), 0)
    assert cache.held_bytes == 0


def test_a_file_that_changes_keeps_its_first_pixels(pictures, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(FILES[0])
    cache = PictureCache(tmp_path, 10**6, 1)
    made = loader(pictures, [path], cache)
    first = inputs(made, 0)
    path.write_bytes(FILES[2])
    assert torch.equal(inputs(made, 0), first)
    assert not torch.equal(inputs(loader(pictures, [path]), 0), first)
    path.unlink()
    assert torch.equal(inputs(made, 0), first)
    cache.close()


def test_measuring_leaves_its_pictures_in_the_cache(pictures, tmp_path: Path) -> None:
    files = Counted(FILES)
    cache = PictureCache(tmp_path, 10**6, COUNT)
    options = PreprocessingOptions()
    made = Preprocessing.measure(
        options, pictures(files), np.arange(COUNT), size=8, grey=False, cache=cache
    )
    assert cache.held_pictures == COUNT
    before = list(files.reads)
    for position in range(COUNT):
        kept = made.read(pictures(files), position, cache)
        np.testing.assert_array_equal(kept, made.pixels(FILES[position]))
    assert files.reads == before
    cache.close()
