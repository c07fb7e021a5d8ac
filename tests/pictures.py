"""Small folders of real pictures for tests: crops of photographs that scikit-learn ships."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

CLASSES = ("china", "flower")


@cache
def photographs() -> tuple[NDArray[np.uint8], ...]:
    return tuple(load_sample_images().images)


def crop(kind: int, number: int, side: int = 24) -> Image.Image:
    """Return the crop called `number` of a photograph; different numbers show different places."""
    random = np.random.default_rng((kind, number))
    height, width = photographs()[kind].shape[:2]
    extent = int(random.integers(60, 160))
    top = int(random.integers(0, height - extent))
    left = int(random.integers(0, width - extent))
    picture = Image.fromarray(photographs()[kind][top : top + extent, left : left + extent])
    return picture.resize((side, side), Image.Resampling.BOX)


def make_folder(root: Path, each: int = 12, side: int = 24) -> Path:
    """Write `each` crops a photograph as root/CLASS/NUMBER.png and return root."""
    for kind, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            crop(kind, number, side).save(root / name / f"{number:03}.png")
    return root
