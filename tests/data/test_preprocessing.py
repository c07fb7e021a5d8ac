"""The preprocessing object: measured, stored, and the same everywhere."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.measurement import mean_and_deviation, strided
from hubel.data.preprocessing import Preprocessing
from hubel.errors import PictureError, RunError, SourceError, UsageError
from hubel.options.preprocessing import PreprocessingOptions

RANDOM = np.random.default_rng(11)
GREYS = [RANDOM.integers(0, 200, (9 + k % 3, 12), dtype=np.uint8) for k in range(150)]
COLOURS = [RANDOM.integers(0, 256, (10, 8 + k % 4, 3), dtype=np.uint8) for k in range(80)]


def measure(pictures, images, *, size=8, grey=False, threads=None, **options) -> Preprocessing:
    source = pictures(images)
    return Preprocessing.measure(
        PreprocessingOptions(**options),
        source,
        np.arange(len(images)),
        size=size,
        grey=grey,
        threads=threads,
    )


@pytest.mark.parametrize("normalise", ["standard", "pca", "zca"])
def test_measuring_does_not_depend_on_threads(pictures, normalise: str) -> None:
    alone = measure(pictures, COLOURS, normalise=normalise, threads=1)
    together = measure(pictures, COLOURS, normalise=normalise, threads=5)
    assert alone.to_json() == together.to_json()
    for name, tensor in alone.tensors().items():
        assert torch.equal(tensor, together.tensors()[name])


def test_mean_and_deviation_are_those_of_the_fitted_pictures(pictures) -> None:
    made = measure(pictures, COLOURS)
    fitted = np.stack([made.resample(made.pixels(image)) for image in COLOURS]) / 255
    np.testing.assert_allclose(made.mean, fitted.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(made.std, fitted.std((0, 1, 2)), rtol=1e-12)
    scaled = torch.stack([made.tensor(image) for image in COLOURS])
    np.testing.assert_allclose(scaled.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std((0, 2, 3), correction=0), 1, atol=1e-5)


def test_a_constant_channel_is_not_blown_up() -> None:
    histogram = np.zeros((2, 256), np.int64)
    histogram[0, 51] = 7
    histogram[1, [0, 255]] = 1
    mean, std = mean_and_deviation(histogram)
    assert mean == (0.2, 0.5)
    assert std == (1 / 255, 0.5)


def test_few_of_very_many_at_a_fixed_stride() -> None:
    positions = np.arange(100) * 3
    assert strided(positions, 100) is positions
    assert strided(positions, 4).tolist() == [0, 75, 150, 225]


@pytest.mark.parametrize("normalise", ["standard", "none", "pca", "zca"])
@pytest.mark.parametrize("colour", ["auto", "grey", "hsv", "lab", "ycrcb"])
def test_json_round_trip_gives_the_same_bits(pictures, normalise: str, colour: str) -> None:
    made = measure(
        pictures, COLOURS, normalise=normalise, colour=colour, filters=("gaussian:3:0.1", "sobel")
    )
    again = Preprocessing.from_json(json.loads(json.dumps(made.to_json())), made.tensors())
    assert again.to_json() == made.to_json()
    for image in COLOURS[:5]:
        assert torch.equal(made.tensor(image), again.tensor(image))


def test_one_picture_and_a_batch_give_the_same_bits(pictures) -> None:
    made = measure(pictures, COLOURS)
    batch = np.stack([made.resample(made.pixels(image)) for image in COLOURS])
    together = made.normalise(torch.from_numpy(batch))
    assert together.is_contiguous(memory_format=torch.channels_last)
    assert together.dtype == torch.float32
    for image, scaled in zip(COLOURS, together, strict=True):
        assert torch.equal(made.tensor(image), scaled)


def test_by_hand_without_scaling(pictures) -> None:
    made = measure(
        pictures, [np.arange(64, dtype=np.uint8).reshape(8, 8)], grey=True, normalise="none"
    )
    assert (made.channels, made.colour, made.mean, made.std) == (1, "grey", (0.0,), (1.0,))
    expected = torch.arange(64).view(1, 8, 8) / 255
    assert torch.equal(made.tensor(np.arange(64, dtype=np.uint8).reshape(8, 8)), expected)


def test_the_steps_come_in_order(pictures) -> None:
    from hubel.data.classical import parse_filter
    from hubel.data.colour import to_space
    from hubel.data.geometry import fit_matrix, resample

    image = COLOURS[1]
    made = measure(pictures, COLOURS, colour="hsv", filters=("median:3", "erode:3"), fit="crop")
    pixels = parse_filter("erode:3")(parse_filter("median:3")(image))
    np.testing.assert_array_equal(made.pixels(image), pixels)
    square = resample(pixels, fit_matrix(*image.shape[:2], 8, "crop"), 8)
    fitted = to_space(square, "hsv")
    np.testing.assert_array_equal(made.resample(made.pixels(image)), fitted)
    out = np.zeros((8, 8, 3), np.uint8)
    made.resample(made.pixels(image), out=out)
    np.testing.assert_array_equal(out, fitted)
    expected = (fitted / 255 - np.array(made.mean)) / made.std
    np.testing.assert_allclose(made.tensor(image).permute(1, 2, 0), expected, atol=1e-5)


def test_auto_colour(pictures) -> None:
    assert measure(pictures, GREYS, grey=True).channels == 1
    assert measure(pictures, [*GREYS, *COLOURS]).colour == "rgb"
    same = [RANDOM.integers(0, 256, (8, 8, 6), dtype=np.uint8) for _ in range(9)]
    kept = measure(pictures, same)
    assert (kept.colour, kept.channels, len(kept.mean)) == ("channels", 6, 6)
    assert kept.tensor(same[0]).shape == (6, 8, 8)
    with pytest.raises(PictureError, match=r"odd\.png: expected 6 channels"):
        kept.tensor(COLOURS[0], "odd.png")
    assert measure(pictures, [*same, GREYS[0]]).colour == "rgb"
    assert measure(pictures, [*same, np.zeros((8, 8, 2), np.uint8)], grey=True).colour == "grey"
    assert measure(pictures, same, colour="grey").channels == 1
    pair = measure(pictures, [image[..., :2] for image in same], normalise="zca")
    assert pair.tensor(same[0][..., :2]).shape == (2, 8, 8)


def test_large_jpeg_is_decoded_at_reduced_scale_unless_there_are_filters(
    pictures, tmp_path
) -> None:
    path = tmp_path / "large.jpg"
    y, x = np.mgrid[0:640, 0:800]
    Image.fromarray(((x + y) // 6).astype(np.uint8)).save(path, quality=95)
    plain = measure(pictures, [path], size=40, grey=True)
    assert plain.decode_at_least == 40
    assert plain.pixels(path).shape == (32, 40, 1)
    cropped = measure(pictures, [path], size=40, grey=True, fit="crop")
    assert cropped.decode_at_least == 80
    assert cropped.pixels(path).shape == (80, 100, 1)
    filtered = measure(pictures, [path], size=40, grey=True, filters=("blur:3",))
    assert filtered.decode_at_least is None
    assert dataclasses.replace(filtered, detail=None).pixels(path).shape == (640, 800, 1)
    whole = Preprocessing.from_json(plain.to_json() | {"decode_at_least": None})
    np.testing.assert_allclose(
        plain.resample(plain.pixels(path)), whole.resample(whole.pixels(path)), atol=3
    )


def test_errors_of_measuring(pictures, tmp_path) -> None:
    with pytest.raises(SourceError, match="pictures has no training pictures"):
        measure(pictures, [])
    with pytest.raises(UsageError, match="The size is 0, but must be 1 or more"):
        measure(pictures, GREYS, size=0)
    with pytest.raises(UsageError, match="no filter 'blurr'"):
        measure(pictures, GREYS, filters=("blurr",))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    for images in ([*GREYS, bad], [bad]):
        with pytest.raises(PictureError, match=rf"{bad}: the file is empty"):
            measure(pictures, images)
    with pytest.raises(PictureError, match=r"train/1: it cannot be read \(KeyError\('lost'\)\)"):
        measure(pictures, [GREYS[0], KeyError("lost")], colour="grey")


def stored(pictures) -> dict:
    return measure(pictures, COLOURS).to_json()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": "8"}, "Expected `int`, got `str`"),
        ({"fit": "stretch"}, "Invalid enum value 'stretch'"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"filters": ["blur:4"]}, "must be an odd number"),
        ({"mean": [0.5]}, "mean needs 3 finite numbers"),
        ({"std": [1.0, float("inf"), 1.0]}, "std needs 3 finite numbers"),
        ({"std": [1.0, 0.0, 1.0]}, "std needs positive numbers"),
        ({"channels": 4}, "there is no picture with 4 channels of rgb"),
        ({"size": 0}, "no picture with 3 channels of rgb at size 0"),
        ({"normalisation": "zca"}, r"whitening_mean needs the shape \(192,\), got nothing"),
    ],
)
def test_damaged_json(pictures, change: dict, sentence: str) -> None:
    with pytest.raises(RunError, match="The run's preprocessing is damaged: .*" + sentence):
        Preprocessing.from_json(stored(pictures) | change)


def test_missing_json(pictures) -> None:
    whole = stored(pictures)
    # Runs that are older than the share and the shrinking have none.
    assert (whole.pop("share"), whole.pop("detail")) == (1, 1)
    old = Preprocessing.from_json(whole)
    assert (old.share, old.detail) == (1, None)
    large = RANDOM.integers(0, 256, (80, 60, 3), dtype=np.uint8)
    np.testing.assert_array_equal(old.pixels(large), large)
    for name in whole:
        with pytest.raises(RunError, match=f"missing required field `{name}`"):
            Preprocessing.from_json({key: value for key, value in whole.items() if key != name})


def test_wrong_whitening_tensors(pictures) -> None:
    made = measure(pictures, COLOURS, normalise="pca")
    tensors = made.tensors() | {"whitening_matrix": torch.zeros(3, 3)}
    with pytest.raises(
        RunError, match=r"whitening_matrix needs the shape \(192, 192\), got \(3, 3\)"
    ):
        Preprocessing.from_json(made.to_json(), tensors)


def test_file_bytes_and_array_give_the_same_tensor(pictures, tmp_path: Path) -> None:
    made = measure(pictures, COLOURS)
    stream = io.BytesIO()
    Image.fromarray(COLOURS[0]).save(stream, "PNG")
    path = tmp_path / "same.png"
    path.write_bytes(stream.getvalue())
    tensors = [made.tensor(raw) for raw in (path, stream.getvalue(), COLOURS[0])]
    assert torch.equal(tensors[0], tensors[1])
    assert torch.equal(tensors[0], tensors[2])
