"""One pass over all pictures: what is kept of each, and what cannot be decoded."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from hubel.data.folder import open_folder
from hubel.data.perception import perceptual_hashes
from hubel.data.scanning import scan, to_grey
from hubel.data.source import Index, Source
from hubel.errors import PictureError


class Arrays(Source):
    """Pictures in a list; None cannot be read."""

    name = "arrays"

    def __init__(self, pictures):
        self.pictures = pictures
        self.index = Index(
            task="unlabelled",
            classes=(),
            keys=[f"p{number}" for number in range(len(pictures))],
            labels=np.full(len(pictures), -1),
            splits=np.full(len(pictures), -1, np.int8),
        )

    def read(self, position):
        picture = self.pictures[position]
        if picture is None:
            raise PictureError("p", "lost")
        if isinstance(picture, Exception):
            raise picture
        return picture


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_what_is_kept_of_a_picture():
    grey, colour = noise(20, 30), noise(40, 25, 3)
    found = scan(Arrays([grey, colour]))
    first, second = found.records
    assert (first["width"], first["height"]) == (30, 20)
    assert (second["width"], second["height"]) == (25, 40)
    assert (first["stored_channels"], second["stored_channels"]) == (1, 3)
    assert (first["grey"], second["grey"]) == (True, False)
    assert (first["least"], first["greatest"]) == (grey.min(), grey.max())
    assert first["deviation"] == pytest.approx(grey.astype(float).std(), rel=1e-5)
    digest = hashlib.sha256(b"(20, 30)" + grey.tobytes()).digest()
    assert first["digest"].tobytes() == digest
    digest = hashlib.sha256(b"(40, 25, 3)" + colour.tobytes()).digest()
    assert second["digest"].tobytes() == digest
    assert found.format_names[found.formats[0]] == "array"
    assert found.usable.tolist() == [0, 1]


def test_the_hash_of_a_small_picture_is_that_of_its_pixels():
    pixels = noise(32, 32)
    expected = perceptual_hashes(pixels[None].astype(np.float32))
    assert scan(Arrays([pixels])).records["phash"][0] == expected[0]


def test_equal_channels_are_grey_and_the_same_picture():
    grey = noise(9, 9)
    found = scan(Arrays([grey, np.repeat(grey[..., None], 3, axis=2)]))
    assert found.records["grey"].tolist() == [True, True]
    assert np.array_equal(*found.records["digest"])


def test_one_coloured_pixel_makes_a_picture_coloured():
    pixels = np.repeat(noise(9, 9)[..., None], 3, axis=2)
    pixels[0, 0, 2] ^= 1
    assert to_grey(pixels)[1] is False
    pixels[0, 0, 2] ^= 1
    assert to_grey(pixels)[1] is True


def test_grey_values_of_colours():
    pixels = noise(5, 7, 3)
    expected = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(to_grey(pixels)[0] - expected).max() <= 0.51


def test_the_shape_is_part_of_the_digest():
    found = scan(Arrays([np.zeros((2, 8), np.uint8), np.zeros((8, 2), np.uint8)]))
    assert not np.array_equal(*found.records["digest"])


def test_files_that_cannot_be_decoded_are_named(tmp_path):
    Image.fromarray(noise(8, 8)).save(tmp_path / "good.png")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:50])
    (tmp_path / "gone.gif").symlink_to(tmp_path / "nowhere")
    source = open_folder(tmp_path, "f")
    found = scan(source)
    assert [source.index.keys[place] for place in found.reasons] == [
        "cut.png", "gone.gif", "text.jpg", "zero.png",
    ]  # fmt: skip
    assert all(found.reasons.values())
    assert found.usable.tolist() == [source.index.keys.index("good.png")]
    assert not found.records["digest"][~found.records["decodable"]].any()
    assert not found.records["phash"][~found.records["decodable"]].any()
    assert found.format_names[found.formats[found.usable[0]]] == "PNG"


def test_errors_of_a_source_of_ones_own():
    found = scan(Arrays([None, OSError(5, "Input/output error"), noise(4, 4)]))
    assert found.reasons == {0: "lost", 1: "Input/output error"}
    with pytest.raises(ZeroDivisionError):
        scan(Arrays([ZeroDivisionError()]))


@pytest.mark.parametrize("threads", [1, 3])
def test_order_and_progress_whatever_the_threads(threads):
    pictures = [np.full((3, 3), number % 251, np.uint8) for number in range(150)]
    seen = []
    found = scan(
        Arrays(pictures), threads=threads, progress=lambda done, total: seen.append((done, total))
    )
    assert found.records["least"].tolist() == [number % 251 for number in range(150)]
    assert seen == [(64, 150), (128, 150), (150, 150)]


def test_extreme_shapes():
    found = scan(Arrays([noise(1, 1), noise(1, 5000), noise(5000, 1, 3)]))
    assert found.records["decodable"].all()
