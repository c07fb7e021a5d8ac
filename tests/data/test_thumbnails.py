"""Small copies of pictures."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from hubel.data.thumbnails import thumbnail


def opened(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((300, 150), (48, 96)), ((100, 400, 3), (96, 24)), ((8, 6), (6, 8)), ((1, 5000), (96, 1))],
)
def test_size(shape, size):
    assert opened(thumbnail(noise(*shape))).size == size


def test_small_pictures_are_kept_as_they_are():
    colour, grey = noise(8, 6, 3), noise(5, 5)
    assert np.array_equal(np.asarray(opened(thumbnail(colour))), colour)
    assert np.array_equal(np.asarray(opened(thumbnail(grey))), grey)


def test_a_large_jpeg_keeps_its_colours(tmp_path):
    pixels = np.full((1000, 800, 3), (200, 30, 60), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    small = np.asarray(opened(thumbnail(tmp_path / "a.jpg", side=40)))
    assert small.shape == (40, 32, 3)
    assert np.abs(small.reshape(-1, 3).mean(axis=0) - (200, 30, 60)).max() < 4


def test_no_thumbnail_of_what_is_no_picture(tmp_path):
    assert thumbnail(b"text") == ""
    assert thumbnail(tmp_path / "nothing.png") == ""
