"""Pictures to train on, of any number: crops of the sample photographs that a machine has."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES: Final = tuple(f"class-{number}" for number in range(10))
SIZE: Final = (500, 375)
SMALL: Final = (28, 28)
QUALITY: Final = 90
USUAL: Final = 4000
"""Photographs that are made where no more are asked for."""
STAMPS: Final = Path("/usr/share/tuxpaint/stamps")
_SKIMAGE: Final = (
    "astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png",
    "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
_LEAST_STAMP: Final = 100
NOISE: Final = 4.0
"""Standard deviation of what is added to the crops, of 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photographs:
    """A folder of pictures with a sub-folder a class; its picture i is the same in every one."""

    folder: Path
    number: int
    size: tuple[int, int]
    mean_bytes: float
    photographs: int
    stamps: int

    def path(self, place: int) -> Path:
        """Return the file of picture `place`."""
        suffix = "png" if self.size == SMALL else "jpg"
        return self.folder / CLASSES[place % len(CLASSES)] / f"{place:06d}.{suffix}"

    def sentence(self) -> str:
        """Return what the pictures are."""
        width, height = self.size
        kind = "grey PNG" if self.size == SMALL else f"JPEG (quality {QUALITY})"
        pasted = f", with {self.stamps} Tux Paint stamps pasted in" if self.stamps else ""
        return (
            f"{kind} pictures of {width}×{height}, {self.mean_bytes / 1e3:.1f} kB each, cut at "
            f"random out of {self.photographs} photographs{pasted}"
        )


def make(folder: Path, number: int, size: tuple[int, int] = SIZE) -> Photographs:
    """Make `number` pictures in `folder`, once: a folder that is complete is taken as it is."""
    facts = folder.with_name(f"{folder.name}.json")
    if facts.exists():
        known = json.loads(facts.read_text("utf-8"))
        if known["number"] >= number and known["size"] == list(size):
            return Photographs(**{**known, "folder": folder, "size": size})
    unfinished = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    photographs, stamps = list(_photographs()), list(_stamps())
    noise = np.random.default_rng(0).normal(0.0, NOISE, (2 * size[1], 2 * size[0], 3))
    grain = noise.round().astype(np.int16)
    made = Photographs(
        folder=unfinished,
        number=number,
        size=size,
        mean_bytes=0.0,
        photographs=len(photographs),
        stamps=len(stamps),
    )
    for name in CLASSES:
        (unfinished / name).mkdir(parents=True)
    total = 0
    for place in range(number):
        encoded = _encoded(_picture(place, photographs, stamps, grain, size), size)
        made.path(place).write_bytes(encoded)
        total += len(encoded)
    unfinished.rename(folder)
    known = asdict(made) | {"folder": str(folder), "mean_bytes": total / number}
    facts.write_text(json.dumps(known), "utf-8")
    return Photographs(**{**known, "folder": folder, "size": size})


def linked(photographs: Photographs, folder: Path, **splits: int) -> Path:
    """Return a folder of SPLIT/CLASS/… that holds the first pictures: links, no copies.

    The split `all` stands for no split: CLASS/… in the folder itself.
    """
    shutil.rmtree(folder, ignore_errors=True)
    place = 0
    for split, number in splits.items():
        top = folder if split == "all" else folder / split
        for name in CLASSES:
            (top / name).mkdir(parents=True, exist_ok=True)
        for _ in range(number):
            path = photographs.path(place)
            os.link(path, top / path.parent.name / path.name)
            place += 1
    return folder


def _picture(
    place: int,
    photographs: list[Image.Image],
    stamps: list[Image.Image],
    grain: NDArray[np.int16],
    size: tuple[int, int],
) -> Image.Image:
    """Return picture `place`: a crop of one of its class's photographs, a stamp of its class."""
    random = np.random.default_rng([place, *size])
    kind, turn = place % len(CLASSES), place // len(CLASSES)
    own = photographs[kind :: len(CLASSES)] or photographs
    photograph = own[turn % len(own)]
    width, height = photograph.size
    share = random.uniform(0.5, 1.0)
    aspect = size[0] / size[1] * random.uniform(0.8, 1.25)
    wide = int(share * min(width, height * aspect))
    high = int(min(wide / aspect, height))
    left, top = random.integers(width - wide + 1), random.integers(height - high + 1)
    crop = photograph.crop((left, top, left + wide, top + high)).resize(size)
    own_stamps = stamps[kind :: len(CLASSES)]
    if own_stamps and random.random() < 0.5:
        stamp = own_stamps[random.integers(len(own_stamps))]
        scale = random.uniform(0.4, 0.8) * min(size[0] / stamp.width, size[1] / stamp.height)
        stamp = stamp.resize([max(1, int(side * scale)) for side in stamp.size])
        spare = [whole - side for whole, side in zip(size, stamp.size, strict=True)]
        crop.paste(stamp, tuple(int(random.integers(one + 1)) for one in spare), stamp)
    # Resized crops are smoother than photographs; a camera's noise gives files of usual size.
    down, right = random.integers(size[1]), random.integers(size[0])
    pixels = np.asarray(crop.point(_light(random.uniform(0.7, 1.2))), np.int16)
    pixels = pixels + grain[down : down + size[1], right : right + size[0]]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _light(factor: float) -> list[int]:
    """Return a table of brightness for the three channels."""
    return [min(255, round(value * factor)) for value in range(256)] * 3


def _encoded(picture: Image.Image, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    if size == SMALL:
        picture.convert("L").save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _photographs() -> Iterator[Image.Image]:
    """Give the photographs of scikit-learn, scikit-image and, where it is installed, foolbox."""
    for package, folder, names in (
        ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
        ("skimage", "data", _SKIMAGE),
        ("foolbox", "data", ("imagenet_*.jpg",)),
    ):
        # Found, not imported: foolbox needs packages that its photographs do not.
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for name in names:
            for path in sorted((Path(spec.origin).parent / folder).glob(name)):
                with Image.open(path) as photograph:
                    yield photograph.convert("RGB")


def _stamps() -> Iterator[Image.Image]:
    """Give the cut-out photographs of Tux Paint, where they are installed."""
    for path in sorted(STAMPS.rglob("*.png")):
        if any(word in str(path) for word in ("cartoon", "mirror")):
            continue
        with Image.open(path) as stamp:
            if min(stamp.size) >= _LEAST_STAMP:
                cut = stamp.convert("RGBA")
                cut.thumbnail(SIZE)
                yield cut
