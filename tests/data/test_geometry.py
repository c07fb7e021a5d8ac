"""Laws of the one resampling: identity, mirroring, centres, areas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torchvision.transforms import v2

from hubel.data.geometry import (
    RESIZE_FROM,
    border_colour,
    fit_matrix,
    is_identity,
    resample,
    shrunk,
)

SIDES = st.integers(1, 60)
FITS = ("crop", "letterbox", "squash")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / width * k) * np.cos(y / height * (k + 1)) for k in (2, 4, 6)]
    return (127 + 120 * np.stack(waves, axis=2)).astype(np.uint8)


@given(SIDES, st.sampled_from(FITS), st.sampled_from([1, 2, 3, 4, 5, 9]))
@settings(max_examples=40, deadline=None)
def test_a_picture_of_the_right_size_is_left_as_it_is(size: int, fit: str, channels: int) -> None:
    pixels = noise(size, size, channels)
    matrix = fit_matrix(size, size, size, fit)
    assert is_identity(matrix)
    np.testing.assert_array_equal(resample(pixels, matrix, size), pixels)
    out = np.zeros_like(pixels)
    assert resample(pixels, matrix, size, out) is out
    np.testing.assert_array_equal(out, pixels)


@given(SIDES, st.sampled_from([1, 3, 6]), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_mirroring_is_exact(size: int, channels: int, across: bool, down: bool) -> None:
    pixels = noise(size, size, channels)
    x, y = (-1.0 if across else 1.0), (-1.0 if down else 1.0)
    matrix = np.array([[x, 0, (size - 1) * across], [0, y, (size - 1) * down]])
    expected = pixels[:: int(y), :: int(x)]
    np.testing.assert_array_equal(resample(pixels, matrix, size), expected)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 300), st.sampled_from(FITS))
def test_the_centre_stays_in_the_centre(height: int, width: int, size: int, fit: str) -> None:
    matrix = fit_matrix(height, width, size, fit)
    middle = matrix @ [(size - 1) / 2, (size - 1) / 2, 1]
    # Rectangles lie on whole pixels, of source or output: half a pixel of either may be lost.
    room = 0.5 * np.maximum(1, np.diag(matrix[:, :2])) + 1e-6
    assert (np.abs(middle - [(width - 1) / 2, (height - 1) / 2]) <= room).all()


def test_fits_by_hand() -> None:
    # 6 × 2 → 3: letterbox scales by 2 and pads above and below; crop takes the middle 2 × 2.
    assert fit_matrix(2, 6, 3, "letterbox").tolist() == [[2, 0, 0.5], [0, 2, -1.5]]
    assert fit_matrix(2, 6, 3, "crop").round(9).tolist() == [
        [round(2 / 3, 9), 0, round(2 - 1 / 6, 9)],
        [0, round(2 / 3, 9), round(-1 / 6, 9)],
    ]
    assert fit_matrix(2, 6, 3, "squash").round(9).tolist() == [
        [2, 0, 0.5],
        [0, round(2 / 3, 9), round(-1 / 6, 9)],
    ]
    with pytest.raises(ValueError, match="read-only"):
        fit_matrix(2, 6, 3, "crop")[0, 0] = 1


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_whole_factors_average_areas(factor: int) -> None:
    pixels = noise(8 * factor, 8 * factor, 3)
    expected = pixels.reshape(8, factor, 8, factor, 3).mean((1, 3))
    fitted = resample(pixels, fit_matrix(*pixels.shape[:2], 8, "squash"), 8)
    np.testing.assert_allclose(fitted, expected, atol=0.51)


def test_letterbox_and_crop_are_the_same_averages_in_their_places() -> None:
    pixels = noise(32, 64, 3)
    small = pixels.reshape(8, 4, 16, 4, 3).mean((1, 3))
    box = resample(pixels, fit_matrix(32, 64, 16, "letterbox"), 16)
    np.testing.assert_allclose(box[4:12], small, atol=0.51)
    assert (box[:4] == border_colour(pixels)).all()
    assert (box[12:] == border_colour(pixels)).all()
    crop = resample(pixels, fit_matrix(32, 64, 8, "crop"), 8)
    np.testing.assert_allclose(crop, small[:, 4:12], atol=0.51)


@pytest.mark.parametrize(("height", "width", "size"), [(97, 131, 32), (200, 90, 24), (64, 64, 60)])
def test_shrinking_agrees_with_torchvision(height: int, width: int, size: int) -> None:
    pixels = smooth(height, width)
    ours = resample(pixels, fit_matrix(height, width, size, "squash"), size)
    resize = v2.Resize((size, size), antialias=True)
    theirs = resize(torch.from_numpy(pixels).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    inner = slice(1, -1)
    difference = np.abs(ours.astype(int) - theirs)[inner, inner]
    assert difference.max() <= 6
    assert difference.mean() < 1


def test_noise_is_averaged_away_not_aliased() -> None:
    pixels = noise(400, 400, 1)
    turned = np.deg2rad(20)
    cosine, sine = 25 * np.cos(turned), 25 * np.sin(turned)
    matrix = np.array([[cosine, -sine, 199.5], [sine, cosine, 199.5]])
    matrix[:, 2] -= matrix[:, :2] @ [7.5, 7.5]
    for map_ in (fit_matrix(400, 400, 16, "squash"), matrix * [[0.6], [0.6]] + [[0, 0, 80]]):
        # 127.5 ± 74 a pixel; the mean of 225 or more of them deviates by 5 at most.
        assert resample(pixels, map_, 16)[4:-4, 4:-4].std() < 8


@given(SIDES, SIDES, st.integers(1, 40), st.floats(-1, 1), st.floats(0.85, 1.2))
@settings(max_examples=60, deadline=None)
def test_sampling_is_bilinear_on_the_border_colour(
    height: int, width: int, size: int, angle: float, zoom: float
) -> None:
    pixels = noise(height, width, 1)
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    matrix = np.array([[cosine, -sine, width / 3], [sine, cosine, -height / 4]])
    assert 1 / RESIZE_FROM < zoom < RESIZE_FROM
    y, x = np.mgrid[0:size, 0:size]
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T
    around = np.pad(pixels[:, :, 0], 2, constant_values=border_colour(pixels)[0]).astype(float)
    at = [places[..., 1] + 2, places[..., 0] + 2]
    expected = ndimage.map_coordinates(around, at, order=1, mode="nearest")
    # OpenCV 4 rounds places to 1/32 of a pixel.
    np.testing.assert_allclose(resample(pixels, matrix, size)[..., 0], expected, atol=17)


@given(SIDES, SIDES, st.sampled_from([1, 3, 7]))
def test_border_colour_is_the_median_of_the_edge(height: int, width: int, channels: int) -> None:
    pixels = noise(height, width, channels)
    inside = np.zeros((height, width), bool)
    inside[1:-1, 1:-1] = True
    edge = np.sort(pixels[~inside], axis=0)
    if len(edge) <= 64:
        assert border_colour(pixels) == edge[len(edge) // 2].tolist()
    else:
        rank = [np.mean(edge[:, c] <= border_colour(pixels)[c]) for c in range(channels)]
        assert 0.2 < min(rank) <= max(rank) < 0.8
    plain = np.full_like(pixels, 200)
    plain[1:-1, 1:-1] = 3
    assert border_colour(plain) == [200] * channels


@given(SIDES, SIDES, st.floats(1.3, 6), st.sampled_from(FITS))
@settings(max_examples=40, deadline=None)
def test_enlarging_is_linear(height: int, width: int, factor: float, fit: str) -> None:
    size = round(max(height, width) * factor)
    pixels = noise(height, width, 1)
    matrix = fit_matrix(height, width, size, fit)
    source = pixels[:, :, 0].astype(float)
    if fit == "crop":  # cut first
        side = min(height, width)
        y0, x0 = (height - side) // 2, (width - side) // 2
        source = source[y0 : y0 + side, x0 : x0 + side]
        matrix = matrix - [[0, 0, x0], [0, 0, y0]]
    y, x = np.mgrid[0:size, 0:size]
    at = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T
    expected = ndimage.map_coordinates(source, [at[..., 1], at[..., 0]], order=1, mode="nearest")
    high, wide = source.shape
    outside = (np.abs(at - [(wide - 1) / 2, (high - 1) / 2]) > [wide / 2, high / 2]).any(axis=-1)
    expected[outside] = border_colour(pixels)[0]
    fitted = resample(pixels, fit_matrix(height, width, size, fit), size)[..., 0]
    np.testing.assert_allclose(fitted, expected, atol=3)  # OpenCV's weights have 11 bits


@pytest.mark.parametrize("axis", [0, 1])
def test_turned_enlargements_see_their_neighbours(axis: int) -> None:
    y, x = np.mgrid[0:40, 0:40]
    ramp = (6 * (x, y)[axis]).astype(np.uint8)[:, :, None]
    cosine, sine = 0.3 * np.cos(0.02), 0.3 * np.sin(0.02)
    matrix = np.array([[cosine, -sine, 15.0], [sine, cosine, 12.0]])
    matrix[:, 2] -= matrix[:, :2] @ [-0.5, -0.5] + 0.5  # the corner lies between two pixels
    y, x = np.mgrid[0:30, 0:30]
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T
    # Rounded to 8 bits twice, and OpenCV 4 rounds places to 1/32 of a pixel.
    expected = 6 * places[..., axis]
    np.testing.assert_allclose(resample(ramp, matrix, 30)[..., 0], expected, atol=1.5)


@given(st.integers(1, 9), st.sampled_from(FITS))
def test_enlarged_edges_keep_their_colour(side: int, fit: str) -> None:
    pixels = np.zeros((side, side, 1), np.uint8)
    pixels[0] = 255  # so that the border colour is another one than that of this edge
    enlarged = resample(pixels, fit_matrix(side, side, side * 8, fit), side * 8)
    assert (enlarged[:4] == 255).all()
    if side > 1:
        assert (enlarged[-4:] == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (40000, 2), (2, 40000), (3, 1)])
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_extreme_shapes(shape: tuple[int, int], fit: str, channels: int) -> None:
    pixels = np.full((*shape, channels), 77, np.uint8)
    fitted = resample(pixels, fit_matrix(*shape, 8, fit), 8)
    assert fitted.shape == (8, 8, channels)
    assert (fitted == 77).all()


def test_what_the_crop_cuts_off_does_not_bleed_in() -> None:
    pixels = np.zeros((30, 90, 1), np.uint8)
    pixels[:, :30] = pixels[:, 60:] = 255
    assert resample(pixels, fit_matrix(30, 90, 10, "crop"), 10).max() == 0


def test_many_channels_are_alike() -> None:
    pixels = noise(50, 40, 11)
    matrix = np.array([[3.1, 0.2, 1.0], [-0.3, 2.7, 2.0]])
    together = resample(pixels, matrix, 9)
    for channel in range(11):
        alone = resample(np.ascontiguousarray(pixels[:, :, channel : channel + 1]), matrix, 9)
        np.testing.assert_array_equal(together[:, :, channel], alone[:, :, 0])


@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(1, 60), st.sampled_from(FITS),
    st.sampled_from([0.5, 0.875, 1.0]), st.sampled_from([1.0, 8 / 7, 2.0]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_shrinking_leaves_what_the_fit_shows_and_is_done_once(
    height: int, width: int, size: int, fit: str, share: float, detail: float
) -> None:
    pixels = noise(height, width, 1)
    small = shrunk(pixels, size, fit, share, detail)
    if small is pixels:
        before = np.diag(fit_matrix(height, width, size, fit, share)[:, :2])
        assert min(before) < RESIZE_FROM * detail + 1.5 / size
        return
    assert small.shape[0] <= height
    assert small.shape[1] <= width
    if min(small.shape[:2]) >= 4 and size >= 4:
        again = shrunk(small, size, fit, share, detail)
        assert again is small
        if fit != "squash":  # proportions stay, to the pixel
            assert abs(small.shape[0] / height - small.shape[1] / width) < 1.01 / min(height, width)


@pytest.mark.parametrize("fit", ["letterbox", "squash"])
@pytest.mark.parametrize(("height", "width"), [(188, 250), (250, 188), (97, 300), (64, 64)])
def test_shrinking_first_gives_the_fitted_pictures_bits(fit: str, height: int, width: int) -> None:
    """With detail 1 and no augmentation, it is the same one average, taken earlier."""
    pixels = noise(height, width, 3)
    framed = np.full_like(pixels, 40)  # so that the border's colour is the same
    framed[12:-12, 12:-12] = pixels[12:-12, 12:-12]
    at_once = resample(framed, fit_matrix(height, width, 32, fit), 32)
    small = shrunk(framed, 32, fit, 1.0, 1.0)
    assert max(small.shape) == 32
    fitted = resample(small, fit_matrix(*small.shape[:2], 32, fit), 32)
    np.testing.assert_array_equal(fitted, at_once)


def test_extreme_shapes_shrink_to_a_pixel_across() -> None:
    assert shrunk(noise(2, 4000, 3), 8, "letterbox", 1.0, 1.0).shape == (1, 8, 3)
    assert shrunk(noise(4000, 2, 3), 8, "squash", 1.0, 1.0).shape == (8, 2, 3)
    assert shrunk(noise(4000, 2, 3), 8, "crop", 1.0, 2.0).shape == (4000, 2, 3)


@given(
    SIDES, SIDES, st.integers(1, 20), st.sampled_from([1, 2, 3, 5]),
    st.tuples(st.booleans(), st.booleans()), st.tuples(st.integers(-70, 70), st.integers(-70, 70)),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_moves_by_whole_pixels_copy(height, width, size, channels, mirrored, shift) -> None:
    pixels = noise(height, width, channels)
    signs = [-1 if each else 1 for each in mirrored]
    matrix = np.array([[signs[0], 0.0, shift[0]], [0.0, signs[1], shift[1]]])
    expected = np.empty((size, size, channels), np.uint8)
    expected[...] = border_colour(pixels)
    for y in range(size):
        for x in range(size):
            from_x, from_y = signs[0] * x + shift[0], signs[1] * y + shift[1]
            if 0 <= from_x < width and 0 <= from_y < height:
                expected[y, x] = pixels[from_y, from_x]
    np.testing.assert_array_equal(resample(pixels, matrix, size), expected)
    out = np.zeros_like(expected)
    assert resample(pixels, matrix, size, out) is out
    np.testing.assert_array_equal(out, expected)


def test_three_channels_have_the_bits_of_each_alone() -> None:
    pixels = noise(40, 50, 3)
    matrix = np.array([[0.97, 0.21, -3.3], [-0.21, 0.97, 4.2]])
    together = resample(pixels, matrix, 45)
    for channel in range(3):
        alone = resample(np.ascontiguousarray(pixels[:, :, channel : channel + 1]), matrix, 45)
        np.testing.assert_array_equal(together[:, :, channel], alone[:, :, 0])
