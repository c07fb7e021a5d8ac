"""Whether the memory of training grows with the number of pictures."""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.recording import Section
from benchmarks.running import run

FACTORS = (1, 4, 16)
LEAST_SIDE, MOST_SIDE = 200, 360


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many pictures 1× is."""
    parser.add_argument("--pictures", type=int, default=400, help="pictures at 1× [default: 400]")
    parser.add_argument("--size", type=int, default=64, help="side of the input [default: 64]")


def measure(pictures: int, size: int) -> Section:
    """Train one pass on folders of 1×, 4× and 16× as many JPEG pictures."""
    rows, peaks, decoded = [], [], 0
    for factor in FACTORS:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "pictures"
            stored, decoded = _make_pictures(data, pictures * factor)
            out = str(Path(folder) / "run")
            named = ("--epochs", "1", "--batch", "32", "--size", str(size), "--out", out)
            ended = run("train", str(data), "--json", *named)
        peaks.append(ended.peak_bytes)
        more = pictures * (factor - 1)
        grown = ended.peak_bytes - peaks[0]
        rows.append(
            (
                f"{factor}×",
                f"{pictures * factor:,}",
                f"{stored / 1e6:.1f}",
                f"{decoded / 1e6:.0f}",
                f"{ended.peak_bytes / 1e6:.0f}",
                f"{grown / 1e6:+.1f}",
                f"{grown / more / 1e3:+.2f}" if more else "",
                f"{ended.seconds:.0f}",
            )
        )
    each = (peaks[-1] - peaks[0]) / (pictures * (FACTORS[-1] - 1)) / 1e3
    return Section(
        title="Memory of training on a folder",
        what=f"`hubel train FOLDER --epochs 1 --batch 32 --size {size}` on JPEG pictures cut at "
        "random from photographs of scikit-learn and scikit-image; greatest resident memory of "
        "the process.",
        header=(
            "",
            "pictures",
            "files MB",
            "decoded MB",
            "peak MB",
            "more than 1× MB",
            "kB a picture more",
            "s",
        ),
        rows=rows,
        verdict=f"From 1× to {FACTORS[-1]}×, **{each:+.2f} kB** a picture more; a decoded picture "
        f"has {decoded / (pictures * FACTORS[-1]) / 1e3:.0f} kB (goal: an index, no pictures).",
    )


def _make_pictures(folder: Path, number: int) -> tuple[int, int]:
    """Write `number` crops into one folder a photograph; return bytes of files and of pixels."""
    random = np.random.default_rng(number)
    photographs = dict(_photographs())
    for name in photographs:
        (folder / name).mkdir(parents=True)
    stored = decoded = 0
    for place in range(number):
        name = list(photographs)[place % len(photographs)]
        crop = _crop(photographs[name], random)
        buffer = io.BytesIO()
        crop.save(buffer, "JPEG", quality=85)
        (folder / name / f"{place:06d}.jpg").write_bytes(buffer.getvalue())
        stored += buffer.tell()
        decoded += crop.width * crop.height * 3
    return stored, decoded


def _photographs() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Give the photographs that scikit-learn and scikit-image carry along."""
    import skimage.data
    from sklearn.datasets import load_sample_image

    yield "temple", load_sample_image("china.jpg")
    yield "flower", load_sample_image("flower.jpg")
    yield "astronaut", skimage.data.astronaut()
    yield "coffee", skimage.data.coffee()
    yield "cat", skimage.data.cat()


def _crop(photograph: NDArray[np.uint8], random: np.random.Generator) -> Image.Image:
    """Return a random part of a photograph: another place, size, angle and light each time."""
    height, width = photograph.shape[:2]
    side = int(random.uniform(0.35, 0.75) * min(height, width))
    top, left = random.integers(height - side), random.integers(width - side)
    part = Image.fromarray(photograph[top : top + side, left : left + side])
    part = part.rotate(90 * int(random.integers(4)))
    light = np.asarray(part, np.float32) * random.uniform(0.6, 1.3, 3) + random.uniform(-20, 20)
    width, height = (int(one) for one in random.integers(LEAST_SIDE, MOST_SIDE, 2))
    return Image.fromarray(light.clip(0, 255).astype(np.uint8)).resize((width, height))
