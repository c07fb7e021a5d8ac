"""Exact and near duplicates, on photographs and on what only looks like a copy."""

import io

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_images

from hubel.data import duplicates
from hubel.data.duplicates import CERTAIN_CORRELATION, find_duplicates
from hubel.data.opening import open_source
from hubel.data.scanning import scan
from hubel.data.source import Index, Source


class Arrays(Source):
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
        return self.pictures[position]


def find(*pictures):
    source = Arrays(pictures)
    return find_duplicates(source, scan(source))


def members(groups):
    return [group.positions.tolist() for group in groups]


def jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.fixture(scope="module")
def photographs():
    found = [*load_sample_images().images, skimage.data.chelsea(), skimage.data.astronaut()]
    found += [skimage.data.coffee(), skimage.data.rocket(), skimage.data.camera()]
    return found


def test_exact_duplicates_in_any_container(photographs):
    cat = photographs[2]
    file = io.BytesIO()
    Image.fromarray(cat).save(file, "PNG")
    found = find(cat, photographs[0], file.getvalue(), photographs[0].copy(), cat)
    assert members(found.exact) == [[0, 2, 4], [1, 3]]
    assert [group.difference for group in found.exact] == [0.0, 0.0]
    assert found.near == ()
    assert found.component[0] == found.component[4] != found.component[1]


def test_different_photographs_are_no_duplicates(photographs):
    found = find(*photographs)
    assert (found.exact, found.near, found.certain) == ((), (), ())
    assert len(set(found.component.tolist())) == len(photographs)


@pytest.mark.parametrize("change", ["jpeg 80", "jpeg 40", "half", "third", "brighter", "darker"])
def test_copies_of_photographs(photographs, change):
    def copy(pixels):
        height, width = pixels.shape[:2]
        if change.startswith("jpeg"):
            return jpeg(pixels, int(change[5:]))
        if change in {"half", "third"}:
            part = 2 if change == "half" else 3
            small = Image.fromarray(pixels).resize((width // part, height // part))
            return np.asarray(small)
        gain = 1.06 if change == "brighter" else 0.9
        return (pixels * gain).clip(0, 255).astype(np.uint8)

    originals = len(photographs)
    found = find(*photographs, *map(copy, photographs))
    wanted = [[number, number + originals] for number in range(originals)]
    assert members(found.near) == wanted
    assert members(found.certain) == wanted
    assert all(0.0 < group.difference < 30.0 for group in found.near)


def test_a_small_mark_is_near_but_not_certain(photographs):
    cat = photographs[2]
    marked = cat.copy()
    marked[20:36, 20:36] //= 2
    size = cv2.INTER_AREA
    whole, spot = (cv2.resize(item, (64, 64), interpolation=size) for item in (cat, marked))
    assert np.corrcoef(whole.ravel(), spot.ravel())[0, 1] > CERTAIN_CORRELATION
    found = find(cat, marked)
    assert members(found.near) == [[0, 1]]
    assert found.certain == ()


def test_another_colour_is_another_picture(photographs):
    cup = photographs[4]
    assert find(cup, np.ascontiguousarray(cup[..., ::-1])).near == ()


def test_stretched_copies_are_not_looked_for(photographs):
    cat = photographs[2]
    assert find(cat, cv2.resize(cat, (300, 300), interpolation=cv2.INTER_AREA)).near == ()


def test_near_groups_hold_the_exact_copies_too(photographs):
    cat = photographs[2]
    found = find(cat, jpeg(cat, 60), cat)
    assert members(found.exact) == [[0, 2]]
    assert members(found.near) == [[0, 1, 2]]
    assert len(set(found.component.tolist())) == 1


def test_a_grey_copy_of_a_grey_photograph(photographs):
    camera = photographs[6]
    assert members(find(camera, np.repeat(camera[..., None], 3, axis=2)).exact) == [[0, 1]]
    colour_file = jpeg(np.repeat(camera[..., None], 3, axis=2), 70)
    assert members(find(camera, colour_file).near) == [[0, 1]]


def test_small_pictures_must_be_more_alike(photographs):
    cat = cv2.resize(photographs[2], (48, 48), interpolation=cv2.INTER_AREA)
    slight = cat + np.random.default_rng(0).integers(0, 2, cat.shape, dtype=np.uint8)
    strong = (cat + np.random.default_rng(0).normal(0, 11, cat.shape)).clip(0, 255)
    found = find(cat, slight)
    assert members(found.near) == [[0, 1]]
    assert found.certain == ()
    assert find(cat, strong.astype(np.uint8)).near == ()


def test_digits_are_too_small_for_near_duplicates():
    source = open_source("digits")
    found = find_duplicates(source, scan(source))
    assert (found.exact, found.near) == ((), ())


def test_tiny_pictures_are_compared_exactly_only():
    tiny = np.random.default_rng(0).integers(0, 256, (15, 40), dtype=np.uint8)
    found = find(tiny, tiny ^ 1, tiny)
    assert members(found.exact) == [[0, 2]]
    assert found.near == ()


def test_nearly_constant_pictures_are_left_out():
    generator = np.random.default_rng(0)
    flat = [128 + generator.integers(0, 2, (40, 40), dtype=np.uint8) for _ in range(20)]
    assert find(*flat).near == ()


def test_undecodable_pictures_do_no_harm(photographs):
    cat = photographs[2]
    found = find(cat, b"no picture", jpeg(cat, 70), b"no picture either")
    assert members(found.near) == [[0, 2]]
    assert found.exact == ()


def test_many_copies_of_one_picture_are_one_group(photographs, monkeypatch):
    monkeypatch.setattr(duplicates, "_LEAST_BUDGET", 0)
    monkeypatch.setattr(duplicates, "_BLOCK", 64)
    cat = cv2.resize(photographs[2], (90, 60), interpolation=cv2.INTER_AREA)
    generator = np.random.default_rng(0)
    frames = [cat ^ generator.integers(0, 2, cat.shape, dtype=np.uint8) for _ in range(300)]
    found = find(*frames)
    assert not found.complete
    assert members(found.near) == [list(range(300))]


def test_a_picture_that_vanishes_after_the_scan(photographs):
    cat = photographs[2]
    source = Arrays([cat, jpeg(cat, 70)])
    scanned = scan(source)
    source.pictures[1] = b"gone"
    assert find_duplicates(source, scanned).near == ()
