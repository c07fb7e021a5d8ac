"""Decoding: what Pillow writes comes back as the pixels that a person would see."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubel.data.decoding import decode, probe
from hubel.errors import PictureError

GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (7, 5), dtype=np.uint8)
RGB = GENERATOR.integers(0, 256, (7, 5, 3), dtype=np.uint8)
RGBA = GENERATOR.integers(0, 256, (7, 5, 4), dtype=np.uint8)
SMOOTH = np.stack(
    [np.add.outer(np.arange(48) * 2, np.arange(64) * k).astype(np.uint8) for k in (1, 2, 0)], axis=2
)


def encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM", "WEBP"])
def test_lossless_grey_stays_one_channel(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.bin"
    path.write_bytes(
        encoded(Image.fromarray(GREY), kind, **{"lossless": True} if kind == "WEBP" else {})
    )
    pixels = decode(path)
    if kind == "WEBP":  # WebP knows no grey
        assert pixels.shape == (7, 5, 3)
        pixels = pixels[:, :, :1]
    np.testing.assert_array_equal(pixels, GREY[:, :, None])
    assert probe(path).format == kind
    assert pixels.flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_rgb(kind: str) -> None:
    data = encoded(Image.fromarray(RGB), kind, **{"lossless": True} if kind == "WEBP" else {})
    np.testing.assert_array_equal(decode(data), RGB)
    assert (probe(data).width, probe(data).height, probe(data).channels) == (5, 7, 3)


def test_jpeg_grey_and_colour() -> None:
    for pixels in (SMOOTH, SMOOTH[:, :, 0]):
        decoded = decode(encoded(Image.fromarray(pixels), "JPEG", quality=98))
        assert decoded.shape == (48, 64, 1 if pixels.ndim == 2 else 3)
        assert np.abs(decoded.squeeze().astype(int) - pixels).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_composited_on_white(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(RGBA), kind, **options)
    np.testing.assert_allclose(decode(data), on_white(RGBA), atol=1)
    assert probe(data).channels == 4


def test_grey_with_alpha_stays_grey() -> None:
    data = encoded(Image.fromarray(RGBA).convert("LA"), "PNG")
    stored = np.asarray(Image.fromarray(RGBA).convert("LA")).astype(float)
    alpha = stored[..., 1:] / 255
    np.testing.assert_allclose(decode(data), stored[..., :1] * alpha + 255 * (1 - alpha), atol=1)
    assert probe(data).channels == 2


def test_palette_with_and_without_transparency() -> None:
    image = Image.fromarray(RGB).quantize(8)
    colours = np.asarray(image.convert("RGB"))
    plain = encoded(image, "PNG")
    np.testing.assert_array_equal(decode(plain), colours)
    assert (probe(plain).channels, probe(plain).bit_depth) == (3, 4)
    gif = encoded(image, "GIF", transparency=0)
    expected = np.where((np.asarray(image) == 0)[..., None], 255, colours)
    np.testing.assert_array_equal(decode(gif), expected)
    faint = encoded(image, "PNG", transparency=bytes([0, 128]))
    expected = expected.astype(float)
    half = np.asarray(image) == 1
    expected[half] = colours[half] * (128 / 255) + 255 * (127 / 255)
    np.testing.assert_allclose(decode(faint), expected, atol=1)
    assert probe(faint).channels == 4


def test_one_transparent_colour_of_grey_rgb_and_sixteen_bits() -> None:
    grey = encoded(Image.fromarray(GREY), "PNG", transparency=int(GREY[0, 0]))
    np.testing.assert_array_equal(decode(grey)[..., 0], np.where(GREY[0, 0] == GREY, 255, GREY))
    colour = tuple(int(value) for value in RGB[2, 3])
    rgb = decode(encoded(Image.fromarray(RGB), "PNG", transparency=colour))
    assert rgb[2, 3].tolist() == [255, 255, 255]
    deep = np.array([[0, 300, 65535]], np.uint16)
    data = encoded(Image.fromarray(deep), "PNG", transparency=300)
    assert decode(data)[..., 0].tolist() == [[0, 255, 255]]


def test_first_frame_of_an_animation() -> None:
    frames = [Image.fromarray(np.full((4, 6), value, np.uint8)) for value in (40, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.unique(decode(data)).tolist() == [40]
    assert decode(data).shape == (4, 6, 1)


def test_one_bit() -> None:
    bits = GREY > 127
    for kind in ("PNG", "TIFF", "PPM", "BMP"):
        data = encoded(Image.fromarray(bits), kind)
        np.testing.assert_array_equal(decode(data)[..., 0], bits * 255)
    assert probe(encoded(Image.fromarray(bits), "PNG")).bit_depth == 1


def test_cmyk_tiff_and_inverted_adobe_jpeg() -> None:
    cmyk = np.zeros((16, 16, 4), np.uint8)
    cmyk[..., 1], cmyk[..., 3] = 200, 100
    expected = [255 - 100, (255 - 200) * (255 - 100) / 255, 255 - 100]
    for kind in ("TIFF", "JPEG"):
        data = encoded(Image.fromarray(cmyk, "CMYK"), kind)
        np.testing.assert_allclose(decode(data).mean((0, 1)), expected, atol=2)
        assert probe(data).channels == 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_divided_by_257_and_rounded(kind: str) -> None:
    deep = np.array([[0, 128, 129, 257, 32767, 32768, 65406, 65407, 65535]], np.uint16)
    data = encoded(Image.fromarray(deep), kind)
    expected = [round(int(value) / 257) for value in deep[0]]
    assert decode(data)[0, :, 0].tolist() == expected
    assert (probe(data).bit_depth, probe(data).channels) == (16, 1)


def png(colour_type: int, samples: np.ndarray) -> bytes:
    """Write a 16-bit PNG, which Pillow cannot: big-endian rows, filter 0."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_sixteen_bit_colour_and_grey_with_alpha() -> None:
    deep = GENERATOR.integers(0, 65536, (3, 4, 3), dtype=np.uint16)
    np.testing.assert_allclose(decode(png(2, deep)), deep / 257, atol=1)
    assert (probe(png(2, deep)).bit_depth, probe(png(2, deep)).channels) == (16, 3)
    pair = GENERATOR.integers(0, 65536, (3, 4, 2), dtype=np.uint16)
    share = pair[..., 1:] / 65535
    expected = pair[..., :1] / 257 * share + 255 * (1 - share)
    np.testing.assert_allclose(decode(png(4, pair)), expected, atol=2)
    assert (probe(png(4, pair)).bit_depth, probe(png(4, pair)).channels) == (16, 2)


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (np.array([[0.0, 0.25, 1.0]], np.float32), 1),
        (np.array([[-3.0, 20.0, 254.6]], np.float32), 255),
        (np.array([[0.0, 300.0, 40000.0]], np.float32), 65535),
        (np.array([[0.0, np.nan, 1e6]], np.float32), 1e6),
        (np.array([[0, 1, 200]], np.int32), 255),
        (np.array([[-7, 1000, 65535]], np.int32), 65535),
        (np.array([[0, 70000, 140000]], np.int32), 140000),
    ],
)
def test_tiff_without_a_range(values: np.ndarray, white: float) -> None:
    data = encoded(Image.fromarray(values), "TIFF")
    expected = np.clip(np.nan_to_num(values.astype(float)), 0, None) / white * 255
    assert decode(data)[..., 0].tolist() == np.rint(expected).tolist()
    assert probe(data).bit_depth == 32


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("colour", [True, False])
def test_exif_orientation(kind: str, orientation: int, colour: bool) -> None:
    seen = SMOOTH if colour else SMOOTH[:, :, :1]
    # What a camera stores so that the picture, turned as its tag says, is `seen`.
    store = {
        1: lambda p: p,
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(store(seen)).squeeze())
    options = {"JPEG": {"quality": 98}, "WEBP": {"lossless": True}}.get(kind, {})
    data = encoded(image, kind, exif=exif, **options)
    decoded = decode(data)
    assert decoded.shape[:2] == seen.shape[:2]
    assert np.abs(decoded.astype(int) - seen).mean() < 4
    assert (probe(data).width, probe(data).height) == (64, 48)


def test_unknown_orientation_changes_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(RGB), "PNG", exif=exif)), RGB)


def test_reduced_scale_keeps_the_shorter_side() -> None:
    data = encoded(Image.fromarray(np.tile(SMOOTH, (10, 10, 1))), "JPEG")  # 640 × 480
    sides = {at_least: decode(data, at_least=at_least).shape[:2] for at_least in (500, 240, 100, 8)}
    assert sides == {500: (480, 640), 240: (240, 320), 100: (120, 160), 8: (60, 80)}


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 7)])
def test_odd_and_tiny_sizes(shape: tuple[int, int], tmp_path: Path) -> None:
    pixels = GENERATOR.integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "odd.png"
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(decode(path)[..., 0], pixels)
    assert (probe(path).height, probe(path).width) == shape


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 2, 3, 5, 7]), st.data())
@settings(max_examples=30, deadline=None)
def test_arrays_keep_their_values(
    height: int, width: int, channels: int, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 1000))
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    np.testing.assert_array_equal(decode(pixels), pixels)
    np.testing.assert_array_equal(decode(pixels.astype(np.uint16) * 257), pixels)
    np.testing.assert_array_equal(decode(pixels / 255), pixels)
    np.testing.assert_array_equal(decode(pixels.astype(np.int64)), pixels)
    np.testing.assert_array_equal(decode(pixels > 9), (pixels > 9) * 255)
    assert probe(pixels).channels == channels


def test_array_of_four_channels_is_composited() -> None:
    np.testing.assert_allclose(decode(RGBA), on_white(RGBA), atol=0.51)
    assert probe(RGBA).channels == 4
    assert probe(GREY > 3).bit_depth == 1


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(5, np.uint8), r"expected an array \(height, width\).*got shape \(5,\)"),
        (np.zeros((0, 5), np.uint8), r"got shape \(0, 5\)"),
        (np.full((2, 2), 3.0), "float64 values in 0 to 1, got 3 to 3"),
        (np.full((2, 2), np.nan), "values in 0 to 1, got nan"),
        (np.full((2, 2), -1), "int64 values in 0 to 255, got -1"),
        (np.zeros((2, 2), complex), "array of numbers, got complex128"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, reason: str) -> None:
    with pytest.raises(PictureError, match="test/17: .*" + reason):
        decode(array, where="test/17")


def bomb(width: int, height: int) -> bytes:
    data = bytearray(encoded(Image.new("1", (1, 1)), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def test_bomb_is_seen_in_the_header() -> None:
    with pytest.raises(PictureError, match=r"20000×20000 = 400 million pixels, but at most 179"):
        decode(bomb(20000, 20000), where="bomb.png")


def test_large_pictures_below_the_bound_warn_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # so that 35 pixels are a lot
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in ("PNG", "TIFF", "BMP"):
            np.testing.assert_array_equal(
                decode(encoded(Image.fromarray(GREY), kind))[..., 0], GREY
            )
    assert caught == []


def broken_files(folder: Path) -> dict[str, tuple[Path, str]]:
    whole = encoded(Image.fromarray(SMOOTH), "JPEG")
    contents = {
        "empty": (b"", "empty"),
        "text": (b"not a picture at all", "not a picture in JPEG, PNG"),
        "cut_jpeg": (whole[: len(whole) // 2], "truncated"),
        "cut_png": (encoded(Image.fromarray(RGB), "PNG")[:60], "truncated|damaged"),
        "cut_tiff": (encoded(Image.fromarray(RGB), "TIFF")[:100], "damaged|truncated"),
        "cut_gif": (encoded(Image.fromarray(GREY), "GIF")[:12], "damaged|truncated"),
        "head": (whole[:4], "damaged|truncated"),
        "lab": (encoded(Image.new("LAB", (3, 3)), "TIFF"), "colour mode LAB is not supported"),
    }
    cases = {}
    for name, (data, reason) in contents.items():
        path = folder / f"{name}.jpg"
        path.write_bytes(data)
        cases[name] = (path, reason)
    return cases | {
        "missing": (folder / "missing.jpg", "no such file"),
        "folder": (folder, "folder, not a picture"),
    }


def test_broken_files_name_the_place_and_the_reason(tmp_path: Path) -> None:
    for path, reason in broken_files(tmp_path).values():
        with pytest.raises(PictureError, match=reason) as caught:
            decode(path)
        assert caught.value.where == str(path)
        with pytest.raises(PictureError, match=reason):
            decode(path.read_bytes() if path.is_file() else path)


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(PictureError, match="permission to read it is denied"):
        decode(tmp_path / "secret.png")


def test_bytes_without_a_name() -> None:
    with pytest.raises(PictureError, match=r"^the picture: the file is empty"):
        probe(b"")


def test_threads_give_the_same_pixels(tmp_path: Path) -> None:
    paths = []
    for position in range(24):
        path = tmp_path / f"{position}.jpg"
        Image.fromarray(np.roll(SMOOTH, position, axis=1)).save(path)
        paths.append(path)
    alone = [decode(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(decode, paths * 4))
    for position, pixels in enumerate(together):
        np.testing.assert_array_equal(pixels, alone[position % len(paths)])


def test_a_tiff_of_floating_point_colours_is_refused_in_words(tmp_path: Path):
    """Pillow knows no picture of three floating-point channels."""
    path = tmp_path / "colours.tif"
    path.write_bytes(_tiff_of_float_colours())
    with pytest.raises(PictureError, match="arrangement of channels and bits is not one"):
        decode(path)


def _tiff_of_float_colours() -> bytes:
    """Return a TIFF of one pixel with three 32-bit floating-point samples."""
    bits, kinds, pixels = 134, 140, 146  # where what does not fit into a tag begins
    tags = [
        (256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, pixels), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 12), (339, 3, 3, kinds),
    ]  # fmt: skip
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    values = struct.pack("<I3H3H3f", 0, 32, 32, 32, 3, 3, 3, 0.1, 0.2, 0.3)
    return head + entries + values
