"""The preview: which pictures, which steps, which labels; and that the files are there."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.drawing import Cell, displayable, draw_batch, shortened
from hubel.data.preprocessing import Preprocessing
from hubel.data.preview import _choose, _natural, steps_of, target_text, write_preview
from hubel.data.source import Index
from hubel.errors import RunError, SourceError, UsageError
from hubel.options.preprocessing import PreprocessingOptions

RANDOM = np.random.default_rng(8)
IMAGES = [RANDOM.integers(0, 256, (9, 12, 3), dtype=np.uint8) for _ in range(12)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.data.preview.GRID", (2, 3))
    monkeypatch.setattr("hubel.data.preview.ROWS", 2)
    monkeypatch.setattr("hubel.data.drawing.DOTS_PER_INCH", 60)


def dataset(source, splits=None) -> SimpleNamespace:
    """What the preview needs of a `Dataset`."""
    splits = np.zeros(len(source.pictures), np.int8) if splits is None else splits
    return SimpleNamespace(
        source=source,
        positions=lambda split: np.flatnonzero(splits == split),
        usable=np.arange(len(splits)),
        labels_of=lambda positions: source.index.labels[positions],
    )


def preprocessing(pictures, **options) -> Preprocessing:
    return Preprocessing.measure(
        PreprocessingOptions(**options), pictures(IMAGES), np.arange(12), size=8, grey=False
    )


@pytest.mark.parametrize("normalise", ["standard", "zca"])
def test_files(pictures, tmp_path, normalise: str) -> None:
    made = preprocessing(pictures, filters=("blur:3",), colour="hsv", normalise=normalise)
    images = [*IMAGES, IMAGES[0][:, :, 0]]
    paths = write_preview(dataset(pictures(images)), made, ("safe", "mixup"), tmp_path / "new", 0)
    assert [path.name for path in paths] == ["steps.png", "batch-pass-1.png", "batch-pass-2.png"]
    shown = []
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 150
            shown.append(np.asarray(image.convert("RGB")))
    assert (shown[1] != shown[2]).any()  # another pass, other draws


def test_the_same_seed_gives_the_same_pictures(pictures, tmp_path) -> None:
    made = preprocessing(pictures)
    first, again, other = (
        [
            path.read_bytes()
            for path in write_preview(
                dataset(pictures(IMAGES)), made, ("safe",), tmp_path / name, seed
            )
        ]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == again
    assert first != other


def test_steps_by_name_and_pixels(pictures) -> None:
    made = preprocessing(pictures, filters=("blur:3", "sobel"), colour="lab")
    cells = steps_of(made, IMAGES[0], recolour=True)
    names = [cell.title for cell in cells]
    assert names == [
        "decoded",
        "RGB",
        "blur:3",
        "sobel:3",
        "letterbox",
        "lab as RGB",
        "standardised",
    ]
    assert [cell.caption for cell in cells[:-1]] == ["12 × 9"] * 4 + ["8 × 8"] * 2
    np.testing.assert_array_equal(made.shrunk(cells[3].pixels), made.pixels(IMAGES[0]))
    np.testing.assert_array_equal(cells[5].pixels, made.resample(made.pixels(IMAGES[0])))
    scaled = made.tensor(IMAGES[0])
    assert cells[6].caption == f"{scaled.min():.2f} to {scaled.max():.2f}".replace("-", "−")
    assert (cells[6].pixels.min(), cells[6].pixels.max()) == (0, 255)
    plain = preprocessing(pictures, normalise="none", colour="grey")
    assert [cell.title for cell in steps_of(plain, IMAGES[0], recolour=False)] == [
        "decoded",
        "letterbox",
        "scaled",
    ]


@pytest.mark.parametrize("colour", ["rgb", "grey", "lab", "ycrcb", "hsv"])
def test_the_scaling_is_undone(pictures, colour: str) -> None:
    made = preprocessing(pictures, colour=colour)
    smooth = np.add.outer(np.arange(8) * 9, np.arange(8) * 9)[:, :, None] + np.array([9, 60, 90])
    smooth = smooth.astype(np.uint8)
    fitted = made.pixels(smooth)
    natural = _natural(made, made.tensor(smooth)[None])
    np.testing.assert_allclose(natural[0], fitted, atol=0 if colour in ("rgb", "grey") else 6)


def test_classes_take_turns(pictures) -> None:
    source = pictures([None] * 40)
    source.index.labels[:] = [0] * 34 + [1] * 4 + [2] * 2
    chosen = _choose(dataset(source), np.arange(40), 9, 0)
    assert sorted(source.index.labels[chosen[:3]]) == [0, 1, 2]
    assert np.bincount(source.index.labels[chosen]).tolist() == [4, 3, 2]
    assert len(set(chosen)) == 9


def index(task: str) -> Index:
    return Index(
        task=task,
        classes=("cat", "dog", "elk"),
        keys=[],
        labels=np.zeros(0),
        splits=np.zeros(0, np.int8),
    )


@pytest.mark.parametrize(
    ("task", "target", "text"),
    [
        ("classification", np.int64(1), "dog"),
        ("classification", np.array([0.25, 0.001, 0.749], np.float32), "elk 75%\ncat 25%"),
        ("classification", np.array([0, 1, 0], np.float32), "dog"),
        ("multilabel", np.array([1, 0, 1], np.float32), "cat\nelk"),
        ("multilabel", np.array([0, 0, 0], np.float32), "no label"),
        ("regression", np.array([1.5, -2, 1e6], np.float32), "cat 1.5\ndog -2\nelk 1e+06"),
        ("unlabelled", np.int64(-1), ""),
    ],
)
def test_labels_in_words(task: str, target, text: str) -> None:
    assert target_text(index(task), target) == text


def test_names_that_matplotlib_could_stumble_over() -> None:
    cells = [
        Cell(title="", caption=name, pixels=IMAGES[0])
        for name in ("$x_$", "猫", "a" * 90, "one\ntwo\nthree\nfour", "\\frac{")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw_batch("$", "_" * 300, cells, (4, 3)).startswith(b"\x89PNG")
    assert shortened("a" * 90, 20) == "a" * 19 + "…"


def test_other_channels_are_shown_by_their_mean() -> None:
    pixels = RANDOM.integers(0, 256, (4, 4, 5), dtype=np.uint8)
    np.testing.assert_allclose(displayable(pixels), pixels.mean(axis=2), atol=0.5)
    assert displayable(IMAGES[0]) is IMAGES[0]
    assert displayable(IMAGES[0][:, :, :1]).shape == (9, 12)


def test_without_a_training_split_all_usable_pictures_are_taken(pictures, tmp_path) -> None:
    made = preprocessing(pictures)
    whole = dataset(pictures(IMAGES), np.full(12, -1, np.int8))
    assert len(write_preview(whole, made, ("none",), tmp_path, 0)) == 3
    with pytest.raises(SourceError, match="pictures has no pictures to preview"):
        write_preview(dataset(pictures([])), made, ("none",), tmp_path, 0)


def test_errors(pictures, tmp_path) -> None:
    made = preprocessing(pictures)
    with pytest.raises(UsageError, match="no augmentation set 'saef'"):
        write_preview(dataset(pictures(IMAGES)), made, ("saef",), tmp_path, 0)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RunError, match=r"Could not make the folder .*file"):
        write_preview(dataset(pictures(IMAGES)), made, ("none",), blocked, 0)


def test_many_channels(pictures, tmp_path) -> None:
    images = [RANDOM.integers(0, 256, (8, 8, 5), dtype=np.uint8) for _ in range(3)]
    source = pictures(images)
    made = Preprocessing.measure(PreprocessingOptions(), source, np.arange(3), size=8, grey=False)
    assert len(write_preview(dataset(source), made, ("mirror",), tmp_path, 0)) == 3
    assert _natural(made, torch.stack([made.tensor(image) for image in images])).shape == (
        3,
        8,
        8,
        5,
    )
