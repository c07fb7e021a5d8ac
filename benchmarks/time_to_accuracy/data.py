"""The same 70,000 pictures in the forms that the tools read; making them counts for nobody."""

from __future__ import annotations

import gzip
import shutil
import struct
import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SPLITS: Final = {"train": "train", "t10k": "val"}
"""Names of the idx files, and of the folders that the tools look for."""


def idx_folder(source: Path, folder: Path, pictures: int | None) -> Path:
    """Return a folder of the four idx files: the source, or its first pictures written anew."""
    if not source.is_dir():
        sys.exit(
            f"There is no folder {source}: apt-get install dataset-fashion-mnist makes it on "
            "Debian; elsewhere, name the folder of the four idx.gz files with --path."
        )
    if pictures is None:
        return source
    made = folder / f"fashion-idx-{pictures}"
    if not made.is_dir():
        half = made.with_suffix(".half")
        half.mkdir(parents=True, exist_ok=True)
        for name, number in (("train", pictures), ("t10k", max(pictures // 6, 10))):
            images, labels = read_idx(source, name)
            _write(half / f"{name}-images-idx3-ubyte.gz", images[:number])
            _write(half / f"{name}-labels-idx1-ubyte.gz", labels[:number])
        half.rename(made)
    return made


def png_folder(idx: Path, folder: Path, pictures: int | None) -> Path:
    """Return a folder `train/CLASS/*.png`, `val/CLASS/*.png` of the pictures of idx files."""
    made = folder / f"fashion-png-{pictures or 'all'}"
    if not made.is_dir():
        half = made.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        for name, split in SPLITS.items():
            images, labels = read_idx(idx, name)
            for place, (image, label) in enumerate(zip(images, labels, strict=True)):
                home = half / split / str(label)
                home.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(home / f"{place:05d}.png")
        half.rename(made)
    return made


def read_idx(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pictures and labels of `train` or `t10k`."""
    images = gzip.decompress((folder / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )


def _write(path: Path, array: NDArray[np.uint8]) -> None:
    """Write an idx file of unsigned bytes."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes(), mtime=0))
