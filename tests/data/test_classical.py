"""The classical filters: parsed as typed, and each equal to its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from hubel.data.classical import FILTERS, Filter, parse_filter, parse_filters
from hubel.errors import UsageError

RANDOM = np.random.default_rng(3)
PLANE = RANDOM.integers(0, 256, (17, 12, 1), dtype=np.uint8)
INNER = (slice(4, -4), slice(4, -4))


def test_numbers_and_defaults() -> None:
    assert parse_filter("gaussian:7:1.5") == Filter("gaussian", (7.0, 1.5))
    assert parse_filter("bilateral") == Filter("bilateral", (9.0, 75.0, 75.0))
    assert parse_filter("canny:50") == Filter("canny", (50.0, 200.0))
    assert parse_filters(("sobel", "equalise")) == (Filter("sobel", (3.0,)), Filter("equalise"))


@pytest.mark.parametrize("spec", [*FILTERS, "gaussian:3:0.1", "bilateral:5:0.3:12.25"])
def test_text_comes_back(spec: str) -> None:
    step = parse_filter(spec)
    assert parse_filter(str(step)) == step


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("medain:3", "There is no filter 'medain': did you mean median"),
        ("blur:4", "In the filter 'blur:4', the kernel's side is '4', but must be an odd number"),
        ("blur:-1", "must be an odd number from 1 to 99"),
        ("gaussian:5:x", "sigma .* is 'x', but must be a number from 0 to 50"),
        ("erode:3:1.5", "the number of times is '1.5', but must be a whole number from 1 to 50"),
        ("sobel:9", "an odd number from 1 to 7"),
        ("median:nan", "'nan', but must be"),
        ("canny:1:2:3", "'canny:1:2:3' has 3 numbers, but canny takes at most 2: the low thresh"),
        ("equalise:1", "equalise takes at most 0: none"),
    ],
)
def test_what_cannot_be_says_what_can(spec: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_filter(spec)


@pytest.mark.parametrize("name", list(FILTERS))
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels(name: str, channels: int) -> None:
    pixels = RANDOM.integers(0, 256, (9, 8, channels), dtype=np.uint8)
    kept = pixels.copy()
    result = parse_filter(name)(pixels)
    assert (result.shape, result.dtype) == (pixels.shape, np.uint8)
    np.testing.assert_array_equal(pixels, kept)
    if channels != 3 or not FILTERS[name].whole_colour:
        alone = parse_filter(name)(pixels[:, :, 1:2]) if channels > 1 else result
        np.testing.assert_array_equal(result[:, :, 1 % channels], alone[:, :, 0])


@pytest.mark.parametrize("name", list(FILTERS))
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 3)])
def test_tiny_pictures(name: str, shape: tuple[int, int, int]) -> None:
    assert parse_filter(name)(np.full(shape, 90, np.uint8)).shape == shape


def flat(spec: str) -> np.ndarray:
    return parse_filter(spec)(PLANE)[:, :, 0].astype(float)


def test_smoothing_by_definition() -> None:
    plane = PLANE[:, :, 0].astype(float)
    np.testing.assert_allclose(
        flat("blur:3")[INNER], ndimage.uniform_filter(plane, 3)[INNER], atol=1
    )
    np.testing.assert_allclose(
        flat("gaussian:9:1")[INNER], ndimage.gaussian_filter(plane, 1, radius=4)[INNER], atol=1
    )
    np.testing.assert_array_equal(flat("median:3")[INNER], ndimage.median_filter(plane, 3)[INNER])


def test_bilateral_keeps_edges_unless_its_range_is_wide() -> None:
    step = np.where(np.arange(20) < 10, 0, 200).astype(np.uint8)[None, :, None].repeat(20, 0)
    np.testing.assert_allclose(parse_filter("bilateral:5:1:3")(step), step, atol=1)
    smoothed = parse_filter("bilateral:5:500:3")(step)[10, 9:11, 0]
    assert smoothed[0] > 20
    assert smoothed[1] < 180


def test_morphology_by_definition() -> None:
    plane = PLANE[:, :, 0].astype(float)
    least = ndimage.minimum_filter(plane, 3)
    most = ndimage.maximum_filter(plane, 3)
    np.testing.assert_array_equal(flat("erode:3")[INNER], least[INNER])
    np.testing.assert_array_equal(flat("dilate:3")[INNER], most[INNER])
    np.testing.assert_array_equal(flat("erode:3:2")[INNER], ndimage.minimum_filter(plane, 5)[INNER])
    np.testing.assert_array_equal(flat("open:3")[INNER], ndimage.maximum_filter(least, 3)[INNER])
    np.testing.assert_array_equal(flat("close:3")[INNER], ndimage.minimum_filter(most, 3)[INNER])


def test_sobel_and_laplacian_by_definition() -> None:
    plane = PLANE[:, :, 0].astype(float)
    size = np.hypot(ndimage.sobel(plane, 0), ndimage.sobel(plane, 1)) / 4
    np.testing.assert_allclose(flat("sobel")[INNER], size[INNER].clip(0, 255), atol=0.51)
    second = np.abs(ndimage.laplace(plane)) / 4
    np.testing.assert_allclose(flat("laplacian")[INNER], second[INNER].clip(0, 255), atol=0.51)


@pytest.mark.parametrize("side", [1, 3, 5, 7])
def test_derivatives_are_scaled_to_eight_bits(side: int) -> None:
    edge = np.where(np.arange(20) < 10, 0, 255).astype(np.uint8)[None, :, None].repeat(20, 0)
    assert parse_filter(f"sobel:{side}")(edge).max() == 255
    assert parse_filter(f"sobel:{side}")(edge // 5).max() == 51
    point = np.zeros((21, 21, 1), np.uint8)
    point[10, 10] = 255
    assert 0 < parse_filter(f"laplacian:{side}")(point).max() <= 255


def test_canny_finds_the_edge_and_nothing_else() -> None:
    edge = np.where(np.arange(20) < 10, 0, 255).astype(np.uint8)[None, :, None].repeat(20, 0)
    found = parse_filter("canny")(edge)[:, :, 0]
    assert set(np.unique(found)) == {0, 255}
    assert len(np.unique(np.nonzero(found)[1])) == 1


def test_equalise_spreads_the_histogram_and_keeps_the_hue() -> None:
    dull = RANDOM.integers(100, 140, (64, 64, 1), dtype=np.uint8)
    wide = parse_filter("equalise")(dull)
    assert (wide.min(), wide.max()) == (0, 255)
    np.testing.assert_array_equal(
        np.argsort(dull.ravel(), kind="stable"), np.argsort(wide.ravel(), kind="stable")
    )
    grey = np.repeat(dull, 3, axis=2)
    spread = parse_filter("equalise")(grey)
    assert np.ptp(spread.astype(int), axis=2).max() <= 1  # grey stays grey
    np.testing.assert_allclose(spread[:, :, 0], wide[:, :, 0], atol=1)
