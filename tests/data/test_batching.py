"""Batches: the same whatever the threads, all pictures once, nothing left running."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data import parallel
from hubel.data.augmentation import Augmentation
from hubel.data.batching import BATCHES_AHEAD, BatchLoader, Share
from hubel.data.preprocessing import Preprocessing
from hubel.errors import PictureError, UsageError
from hubel.options.preprocessing import PreprocessingOptions

RANDOM = np.random.default_rng(2)
COUNT = 53
IMAGES = [RANDOM.integers(0, 256, (9 + k % 4, 8 + k % 3, 3), dtype=np.uint8) for k in range(COUNT)]
ALL = np.arange(COUNT)


def loader(
    pictures, images=IMAGES, *, names=(), options=None, measured=IMAGES, **settings
) -> BatchLoader:
    source = pictures(images)
    preprocessing = Preprocessing.measure(
        options or PreprocessingOptions(),
        pictures(measured),
        np.arange(len(measured)),
        size=8,
        grey=False,
    )
    positions = settings.pop("positions", np.arange(len(images)))
    settings = {"batch": 8, "seed": 0, "shuffle": True, "threads": 2} | settings
    augmentation = Augmentation.from_names(names, num_classes=3, seed=0) if names else None
    targets = settings.pop("targets", positions % 3)
    return BatchLoader(
        source, positions, preprocessing, targets, augmentation=augmentation, **settings
    )


def whole(batches) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    parts = list(batches)
    return (
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.targets for part in parts]),
        np.concatenate([part.positions for part in parts]),
    )


@pytest.mark.parametrize(
    "names",
    [(), ("safe",), ("safe", "mirror", "mixup"), ("randaugment", "erasing", "cutmix")],
    ids=str,
)
def test_the_same_bits_whatever_the_threads(pictures, names) -> None:
    inputs, targets, positions = whole(loader(pictures, names=names, threads=1).epoch(2))
    for threads in (2, 3, 16):
        again = whole(loader(pictures, names=names, threads=threads).epoch(2))
        assert torch.equal(again[0], inputs)
        assert torch.equal(again[1], targets)
        np.testing.assert_array_equal(again[2], positions)


def test_a_pass_holds_each_picture_once_as_the_preprocessing_makes_it(pictures) -> None:
    made = loader(pictures)
    inputs, targets, positions = whole(made.epoch(0))
    assert sorted(positions) == list(range(COUNT))
    np.testing.assert_array_equal(targets, positions % 3)
    for picture, position in zip(inputs, positions, strict=True):
        assert torch.equal(picture, made.preprocessing.tensor(IMAGES[position]))


def test_types_and_layout(pictures) -> None:
    batch = next(iter(loader(pictures, names=("safe",)).epoch(0)))
    assert (batch.inputs.dtype, batch.inputs.shape) == (torch.float32, (8, 3, 8, 8))
    assert batch.inputs.is_contiguous(memory_format=torch.channels_last)
    assert (batch.targets.dtype, batch.positions.dtype) == (torch.int64, np.int64)
    assert batch.waited_s >= 0
    hot = RANDOM.integers(0, 2, (COUNT, 4), dtype=np.uint8)
    for targets in (hot, RANDOM.normal(size=(COUNT, 2)), RANDOM.normal(size=COUNT)):
        batch = next(iter(loader(pictures, targets=targets).epoch(0)))
        assert batch.targets.dtype == torch.float32
        np.testing.assert_array_equal(batch.targets, targets[batch.positions].astype(np.float32))


def test_order_depends_on_seed_and_pass_only(pictures) -> None:
    made = loader(pictures)
    np.testing.assert_array_equal(made.order(4), loader(pictures, threads=5, batch=3).order(4))
    assert (made.order(4) != made.order(5)).any()
    assert (made.order(4) != loader(pictures, seed=1).order(4)).any()
    np.testing.assert_array_equal(loader(pictures, shuffle=False).order(3), ALL)


@pytest.mark.parametrize(
    ("batch", "drop_last", "steps"),
    [(8, False, 7), (8, True, 6), (53, True, 1), (60, True, 0), (60, False, 1)],
)
def test_number_of_steps(pictures, batch: int, drop_last: bool, steps: int) -> None:
    made = loader(pictures, batch=batch, drop_last=drop_last)
    assert len(made) == steps == len(list(made.epoch(0)))


@pytest.mark.parametrize("names", [("safe", "mirror"), ("safe", "erasing", "mixup")])
def test_starting_in_the_middle_gives_the_rest_of_the_pass(pictures, names) -> None:
    made = loader(pictures, names=names)
    full, rest = list(made.epoch(1)), list(made.epoch(1, start=4))
    assert len(rest) == len(full) - 4
    for one, other in zip(full[4:], rest, strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.targets, other.targets)


def test_a_picture_is_augmented_alike_whatever_its_batch(pictures) -> None:
    small = whole(loader(pictures, names=("safe", "mirror"), batch=5).epoch(0))
    large = whole(loader(pictures, names=("safe", "mirror"), batch=31, shuffle=False).epoch(0))
    for picture, position in zip(small[0], small[2], strict=True):
        assert torch.equal(picture, large[0][position])


def test_augmentation_and_fit_are_one_resampling(pictures) -> None:
    made = loader(
        pictures, names=("safe",), options=PreprocessingOptions(normalise="none"), shuffle=False
    )
    batch = next(iter(made.epoch(3)))
    zero = np.zeros(8, np.int64)
    drawn = made.augmentation.matrices(3, ALL[:8], zero, 8)
    contrast, brightness = made.augmentation.light(3, ALL[:8], zero)
    for place in range(8):
        decoded = made.preprocessing.pixels(IMAGES[place])
        fit = np.vstack([made.preprocessing.geometry(*decoded.shape[:2]), [0, 0, 1]])
        pixels = made.preprocessing.resample(decoded, (fit @ drawn[place])[:2]) / 255
        lit = contrast[place] * (pixels - pixels.mean()) + pixels.mean() + brightness[place]
        expected = lit.clip(0, 1).transpose(2, 0, 1)
        np.testing.assert_allclose(batch.inputs[place], expected, atol=1e-6)


def test_light_of_other_colour_spaces_changes_the_luma_only(pictures) -> None:
    options = PreprocessingOptions(colour="ycrcb", normalise="none")
    grey = [np.full((8, 8, 3), 20 + k, np.uint8) for k in range(20)]
    inputs, _, positions = whole(loader(pictures, grey, names=("safe",), options=options).epoch(0))
    assert torch.equal(inputs[:, 1:], torch.full((20, 2, 8, 8), 128 / 255))
    assert (inputs[:, 0, 4, 4] != torch.from_numpy((20 + positions) / 255).float()).any()


def test_balanced_sampling(pictures) -> None:
    weights = np.where(ALL < 5, 10.0, 1.0)  # five pictures share half of the weight
    made = loader(pictures, weights=weights)
    drawn = np.concatenate([made.order(epoch) for epoch in range(200)])
    assert abs((drawn < 5).mean() - 50 / 98) < 0.02
    np.testing.assert_array_equal(made.order(3), loader(pictures, weights=weights * 2).order(3))


def test_a_picture_that_is_drawn_twice_is_augmented_twice(pictures) -> None:
    weights = np.zeros(COUNT)
    weights[7] = 1
    made = loader(pictures, weights=weights, names=("safe",))
    inputs, _, positions = whole(made.epoch(0))
    assert set(positions) == {7}
    assert len({tuple(picture.flatten().tolist()) for picture in inputs}) == COUNT
    assert torch.equal(inputs, whole(made.epoch(0))[0])


def test_global_generators_are_left_alone(pictures) -> None:
    torch_state = torch.random.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    whole(loader(pictures, names=("safe", "mixup", "cutmix", "erasing", "randaugment")).epoch(0))
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def data_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("hubel-data")]


def test_closing_a_pass_early_leaves_no_thread(pictures) -> None:
    batches = loader(pictures, threads=4).epoch(0)
    next(batches)
    assert data_threads()
    batches.close()
    assert data_threads() == []
    for _ in loader(pictures, threads=4).epoch(0):
        pass
    assert data_threads() == []
    batches = loader(pictures).epoch(0)
    next(batches)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt)
    assert data_threads() == []


LARGE = [RANDOM.integers(0, 256, (81, 81, 3), dtype=np.uint8)] * COUNT


@pytest.mark.parametrize(
    ("images", "quick_s", "most"),
    [(IMAGES, 60.0, 1), (IMAGES, 0.0, 2), (LARGE, 60.0, 2)],
    ids=["small", "small, but slow", "large"],
)
def test_small_pictures_are_read_by_turns(
    pictures, monkeypatch, images, quick_s: float, most: int
) -> None:
    monkeypatch.setattr(parallel, "QUICK_S", quick_s)
    made = loader(pictures, images)
    made.preprocessing = replace(made.preprocessing, detail=None)
    kept, reading, seen = made.source.read, [], []

    def read(position: int) -> object:
        reading.append(position)
        seen.append(len(reading))
        time.sleep(1e-3)
        reading.remove(position)
        return kept(position)

    made.source.read = read
    whole(made.epoch(0))
    assert max(seen) == most


def test_only_so_many_batches_are_held(pictures) -> None:
    source = pictures(IMAGES * 8)
    read: list[int] = []
    kept = source.read
    source.read = lambda position: read.append(position) or kept(position)
    made = loader(pictures)
    made = BatchLoader(
        source,
        np.arange(len(IMAGES) * 8),
        made.preprocessing,
        np.zeros(len(IMAGES) * 8, int),
        batch=4,
        seed=0,
        shuffle=True,
        threads=2,
    )
    for taken, _ in enumerate(made.epoch(0), start=1):
        assert len(read) <= (taken + BATCHES_AHEAD) * 4


@pytest.mark.parametrize("threads", [1, 4])
def test_a_bad_picture_is_named(pictures, tmp_path, threads: int) -> None:
    path = tmp_path / "cut.jpg"
    Image.fromarray(IMAGES[0]).save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(PictureError, match=r"cut\.jpg: ") as caught:
        whole(loader(pictures, [*IMAGES, path], threads=threads).epoch(0))
    assert caught.value.where == str(path)
    with pytest.raises(PictureError, match=r"train/53: it cannot be read \(OSError"):
        whole(loader(pictures, [*IMAGES, OSError("gone")], threads=threads).epoch(0))
    assert data_threads() == []


def test_what_does_not_fit(pictures) -> None:
    with pytest.raises(UsageError, match="The batch is 0, but must be 1 or more"):
        loader(pictures, batch=0)
    with pytest.raises(ValueError, match="3 targets do not fit 53 positions"):
        loader(pictures, targets=np.zeros(3))
    with pytest.raises(ValueError, match="2 weights do not fit 53 positions"):
        loader(pictures, weights=np.ones(2))
    with pytest.raises(
        UsageError, match="randaugment needs grey or RGB pictures, but the colour is hsv"
    ):
        loader(pictures, names=("randaugment",), options=PreprocessingOptions(colour="hsv"))


def test_no_pictures_no_batches(pictures) -> None:
    made = loader(pictures, positions=np.arange(0))
    assert len(made) == 0
    assert list(made.epoch(0)) == []


@pytest.mark.parametrize(
    "names",
    [(), ("safe", "mirror"), ("safe", "mixup"), ("randaugment", "erasing", "cutmix")],
    ids=str,
)
@pytest.mark.parametrize("size", [2, 7])
def test_shares_of_several_processes_are_the_batches_of_one(pictures, names, size: int) -> None:
    batches = list(loader(pictures, names=names).epoch(1))
    shares = [
        list(loader(pictures, names=names, share=Share(rank, size), threads=1 + rank % 2).epoch(1))
        for rank in range(size)
    ]
    for step, batch in enumerate(batches):
        parts = [share[step] for share in shares]
        assert all(len(part.inputs) for part in parts)
        own = [part for part in parts if len(part.positions)]
        assert torch.equal(torch.cat([part.inputs for part in own]), batch.inputs)
        assert torch.equal(torch.cat([part.targets for part in own]), batch.targets)
        np.testing.assert_array_equal(
            np.concatenate([part.positions for part in parts]), batch.positions
        )
        for part in parts:
            if not len(part.positions):
                assert torch.equal(part.inputs, batch.inputs[:1])
                assert torch.equal(part.targets, batch.targets[:1])


def test_a_share_decodes_its_own_pictures_only(pictures) -> None:
    read: list[int] = []
    made = loader(pictures, names=("safe",), share=Share(1, 2), batch=10)
    inner = made.source.read
    made.source.read = lambda position: read.append(position) or inner(position)
    batches = list(made.epoch(0))
    assert sorted(read) == sorted(np.concatenate([batch.positions for batch in batches]))
    assert [len(batch.positions) for batch in batches] == [5, 5, 5, 5, 5, 2]
