"""Pictures and tables made to deceive: one sentence, in bounded time and memory."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from hubel.data import decoding
from hubel.data.decoding import decode, probe
from hubel.data.opening import open_source
from hubel.data.parallel import map_ahead
from hubel.errors import HubelError, PictureError, SourceError, UsageError


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (4, 4)) -> bytes:
    """Return a grey PNG with extra chunks before its pixels."""
    width, height = size
    rows = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        *chunks,
        (b"IDAT", rows),
        (b"IEND", b""),
    ]
    whole = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts:
        whole += struct.pack(">I", len(data)) + kind + data
        whole += struct.pack(">I", zlib.crc32(kind + data))
    return whole


def zipped(size: int) -> bytes:
    """Return zlib data of a few bytes that becomes `size` zeros."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join(parts) + packer.flush()


def tiff(tags: dict[int, object]) -> bytes:
    """Return a small TIFF whose tags were changed."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "TIFF", tiffinfo=directory)
    return buffer.getvalue()


def patched_tiff(tag: int, value: int) -> bytes:
    """Return a TIFF in whose directory one number was overwritten."""
    data = bytearray(tiff({}))
    start = struct.unpack("<I", data[4:8])[0]
    for entry in range(struct.unpack("<H", data[start : start + 2])[0]):
        place = start + 2 + 12 * entry
        if struct.unpack("<H", data[place : place + 2])[0] == tag:
            data[place + 2 : place + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(data)


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG text of 64 MiB": lambda: png((b"zTXt", b"k\0\0" + zipped(64 << 20))),
    "PNG international text of 64 MiB": lambda: png((b"iTXt", b"k\0\1\0\0\0" + zipped(64 << 20))),
    "PNG profile of 64 MiB": lambda: png((b"iCCP", b"k\0\0" + zipped(64 << 20))),
    "PNG EXIF of rubbish": lambda: png((b"eXIf", b"II*\0" + b"\xff" * 3000)),
    "PNM of trillions": lambda: b"P5 99999999 99999999 255\n" + b"\0" * 64,
    "PNM with a number of digits": lambda: b"P5 " + b"9" * 5000 + b" 1 255\n\0",
    "plain PNM without an end": lambda: b"P3 4 4 255\n" + b"#" * 100_000,
    "BMP of billions": lambda: (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "BMP of negative width": lambda: (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, -5, -5, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "GIF of billions": lambda: b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";",
    "TIFF of billions": lambda: patched_tiff(257, 2**31),
    "TIFF with a strip far away": lambda: patched_tiff(273, 2**31),
    "TIFF with strips of no rows": lambda: patched_tiff(278, 0),
    "TIFF with a strip of gigabytes": lambda: patched_tiff(279, 2**31),
    "WebP of billions": lambda: (
        b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<IB3x", 10, 0) + b"\xff" * 6
    ),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_hostile_pictures_are_decoded_or_named(kind: str) -> None:
    data = BOMBS[kind]()
    for read in (probe, decode):
        with suppress(PictureError):
            read(data, where="x")


def test_a_profile_that_unpacks_to_gigabytes_does_not_take_memory() -> None:
    script = (
        "import resource, sys; from hubel.data.decoding import decode;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "sys.stdin.buffer.read and None\n"
        "data = sys.stdin.buffer.read()\n"
        "from hubel.errors import PictureError\n"
        "try: decode(data)\n"
        "except PictureError as error: print(error)\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert after - before < 200_000, (before, after)\n"
    )
    data = png((b"iCCP", b"k\0\0" + zipped(512 << 20)), (b"zTXt", b"k\0\0" + zipped(512 << 20)))
    ended = subprocess.run(
        [sys.executable, "-c", script], input=data, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()


@pytest.mark.parametrize("name", ["PNG", "GIF", "TIFF", "WebP"])
def test_of_many_frames_the_first_is_decoded(name: str) -> None:
    buffer = io.BytesIO()
    frames = [Image.new("L", (8, 8), 12 * number) for number in range(20)]
    frames[0].save(buffer, name, save_all=True, append_images=frames[1:], lossless=True)
    assert decode(buffer.getvalue()).max() == 0


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 8)
    together, most, inside = threading.Barrier(2, timeout=0.5), 0, 0
    convert = decoding._eight_bits

    def counted(*arguments: object) -> object:
        nonlocal most, inside
        inside += 1
        most = max(most, inside)
        with_other = True
        try:
            together.wait()
        except threading.BrokenBarrierError:
            with_other = False
        inside -= 1
        assert not with_other, "two at a time"
        return convert(*arguments)

    monkeypatch.setattr(decoding, "_eight_bits", counted)
    data = png()
    done = map_ahead(lambda item, _: decode(item), [data, data], threads=2, ahead=2)
    assert len(list(done)) == 2
    assert most == 1


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding, "_eight_bits", short)
    with pytest.raises(PictureError, match="there is not enough memory to decode it"):
        decode(png())


def test_a_system_without_threads_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.submit", refuse)
    with pytest.raises(HubelError, match=r"No thread could be started .*ulimit -u"):
        list(map_ahead(lambda item, _: item, [1], threads=1, ahead=1))


def test_an_error_in_a_worker_comes_out_of_the_pass() -> None:
    def work(item: int, _: threading.Event) -> int:
        if item == 3:
            raise PictureError("3.png", "no")
        return item

    found = map_ahead(work, range(9), threads=2, ahead=4)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(PictureError, match="3.png"):
        next(found)


@pytest.mark.parametrize("dimensions", [(1 << 31, 1 << 31, 4), (1 << 31, 1 << 31, 1 << 31)])
def test_idx_headers_that_claim_terabytes(dimensions: tuple[int, ...], tmp_path: Path) -> None:
    data = struct.pack(">HBB3I", 0, 8, 3, *dimensions) + bytes(64)
    for name, content in (("", data), (".gz", gzip.compress(data))):
        path = tmp_path / f"images-idx3-ubyte{name}"
        path.write_bytes(content)
        with pytest.raises(SourceError, match="claims to hold|is damaged or incomplete"):
            open_source(path)


def test_a_packed_idx_file_takes_the_memory_of_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 1 << 16, 1 << 8, 1 << 7)))
    tracemalloc.start()
    with pytest.raises(SourceError, match="is damaged or incomplete"):
        open_source(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20, "it claims 2 GiB"


def test_a_table_with_a_giant_cell(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,label\n" + "a" * 200_000 + ",x\n")
    with pytest.raises(SourceError, match=r"table\.csv"):
        open_source(table)
    table.write_text("path,label\n" + "a" * 9_000 + ",x\n")
    with pytest.raises(SourceError, match="1 of the 1 paths"):
        open_source(table)
    table.write_text("path,label\n\0,x\n")
    with pytest.raises(SourceError, match=r"table\.csv"):
        open_source(table)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = 1" + "0" * 5000, "[" + "a." * 3000])
def test_toml_made_to_deceive(text: str, tmp_path: Path) -> None:
    from hubel.cli.main import _config_of

    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(UsageError, match=r"a\.toml"):
        _config_of(["train", "--config", str(tmp_path / "a.toml")])


def test_arrays_whose_header_claims_terabytes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 1 << 20, 8)}
    )
    from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

    for way in (ZIP_STORED, ZIP_DEFLATED):
        with ZipFile(tmp_path / "x.npz", "w", way) as archive:
            archive.writestr("x.npy", buffer.getvalue() + bytes(64))
        with pytest.raises(SourceError, match=r"x\.npz"):
            open_source(tmp_path / "x.npz")
