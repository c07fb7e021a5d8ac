"""Pictures are cut and scaled as published weights were trained, unless the options say more."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from hubel.architectures.weights.reading import Reading
from hubel.data.array_source import ArraySource
from hubel.data.geometry import fit_matrix
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import Index
from hubel.errors import RunError
from hubel.options import DataOptions

READING = Reading(size=8, share=0.5, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))


def measure(pictures: Any, **options: Any) -> Preprocessing:
    labels = np.arange(len(pictures)) % 2
    index = Index(
        task="classification", classes=("a", "b"), keys=[str(n) for n in range(len(pictures))],
        labels=labels, splits=np.zeros(len(pictures), np.int8),
    )  # fmt: skip
    source = ArraySource("made", [np.stack(pictures)], index)
    return Preprocessing.measure(
        DataOptions(**options), source, np.arange(len(pictures)), size=8,
        grey=pictures[0].ndim == 2, reading=READING,
    )  # fmt: skip


def colours(count: int = 4) -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (20, 32, 3), dtype=np.uint8) for _ in range(count)]


def test_the_central_share_is_cut_and_scaled_as_the_weights_were() -> None:
    pictures = colours()
    made = measure(pictures)
    assert (made.fit, made.share, made.normalisation) == ("crop", 0.5, "standard")
    cut = pictures[0][5:15, 11:21]
    middle = cv2.resize(cut, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    expected = (middle - np.array(READING.mean)) / np.array(READING.std)
    found = made.tensor(pictures[0]).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, atol=0.5 / 255 / 0.125 + 1e-6)
    assert Preprocessing.from_json(made.to_json()).share == 0.5


def test_what_the_user_sets_stands() -> None:
    made = measure(colours(), fit="crop", normalise="none")
    assert (made.share, made.normalisation, made.mean) == (1.0, "none", (0.0, 0.0, 0.0))
    made = measure(colours(), normalise="standard")
    assert made.mean != READING.mean
    made = measure(colours(), colour="lab")
    assert made.mean != READING.mean


def test_grey_pictures_take_the_mean_of_the_colours() -> None:
    made = measure([picture[..., 0] for picture in colours()])
    assert made.channels == 1
    assert made.mean == pytest.approx((0.2,))
    assert made.std == pytest.approx((0.875 / 3,))


def test_other_channels_are_measured() -> None:
    random = np.random.default_rng(1)
    made = measure([random.integers(0, 256, (9, 9, 5), dtype=np.uint8) for _ in range(4)])
    assert len(made.mean) == 5
    assert all(0.4 < mean < 0.6 for mean in made.mean)


def test_the_share_of_a_tiny_picture_is_a_pixel_at_least() -> None:
    matrix = fit_matrix(1, 1, 4, "crop", 0.1)
    assert np.isfinite(matrix).all()
    assert matrix[0, 0] == 1 / 4


def test_a_share_that_cannot_be() -> None:
    stored = measure(colours()).to_json()
    with pytest.raises(RunError, match="share needs a number above 0 and up to 1, got 1.5"):
        Preprocessing.from_json(stored | {"share": 1.5})
