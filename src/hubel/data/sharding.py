"""Pictures of any source written as tar shards in the WebDataset layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from hubel.data.dataset import Dataset
from hubel.data.decoding import decode
from hubel.data.naming import is_picture
from hubel.data.preprocessing import read_raw
from hubel.data.randomness import generator
from hubel.data.shards import CLASS_FILE
from hubel.data.source import SPLITS, Raw, Source
from hubel.errors import MissingExtraError, RunError, UsageError

_ORDER: Final = 41  # stream of random numbers


def check_shards(folder: Path, megabytes: int) -> None:
    """Raise UsageError where shards could not be written as asked, before any work."""
    if megabytes < 1:
        raise UsageError(f"--shard-mb takes a number 1 or more, not {megabytes}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--shards needs a new or empty folder, and {folder} is neither.")
    _library()


def write_shards(dataset: Dataset, folder: Path, *, largest: int) -> None:
    """Write the usable pictures as SPLIT-NUMBER.tar, each closed after `largest` bytes.

    Files and bytes go in as they are, arrays as PNG (lossless). The order is shuffled, by the
    source's name, since most readers of shards shuffle only nearby. `.cls` is the number of the
    class, named in classes.txt; several labels, numbers and groups stand in `.json`. The splits are
    those of `dataset`.

    Errors: RunError where the folder cannot be written; PictureError for a picture that cannot be
    read; MissingExtraError without webdataset.
    """
    webdataset = _library()
    source = dataset.source
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split, word in enumerate(SPLITS):
            positions = dataset.positions(split)
            if not len(positions):
                continue
            order = generator(split, _ORDER).permutation(positions)
            pattern = str(folder).replace("%", "%%") + f"/{word}-%06d.tar"
            writer = webdataset.ShardWriter(pattern, maxcount=2**31, maxsize=largest, verbose=0)
            with writer:
                for number, position in enumerate(order.tolist()):
                    writer.write(_sample(source, position, number))
        if source.index.task == "classification":
            names = "".join(f"{name}\n" for name in source.index.classes)
            (folder / CLASS_FILE).write_text(names, encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"The shards could not be written to {folder}: {error.strerror or error}."
        ) from error


def _library() -> Any:
    try:
        import webdataset
    except ImportError:
        raise MissingExtraError("Writing shards", "shards") from None
    return webdataset


def _sample(source: Source, position: int, number: int) -> dict[str, Any]:
    """Return what the library writes for one picture."""
    suffix, data = _encoded(*read_raw(source, position), str(source.index.keys[position]))
    sample: dict[str, Any] = {"__key__": f"{number:09d}", suffix: data}
    index, facts = source.index, dict[str, Any]()
    if index.task == "classification":
        sample["cls"] = str(int(index.labels[position])).encode()
    elif index.task == "multilabel":
        facts["label"] = [
            name for name, has in zip(index.classes, index.labels[position], strict=True) if has
        ]
    elif index.task == "regression":
        values = zip(index.classes, index.labels[position].tolist(), strict=True)
        facts |= {name if name == "target" else f"target_{name}": value for name, value in values}
    if index.groups is not None:
        facts["group"] = str(int(index.groups[position]))
    if facts:
        sample["json"] = json.dumps(facts).encode()
    return sample


def _encoded(raw: Raw, where: str, key: str) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a picture's file; arrays become PNG."""
    if isinstance(raw, Path):
        return raw.suffix.lower().lstrip("."), raw.read_bytes()
    if isinstance(raw, bytes):
        suffix = Path(key).suffix.lower()
        return suffix.lstrip(".") if is_picture(key) else "png", raw
    pixels = decode(raw, where=where)
    if pixels.shape[2] not in (1, 3):
        raise UsageError(
            f"{where} has {pixels.shape[2]} channels: shards hold grey and RGB pictures."
        )
    flipped = np.ascontiguousarray(pixels[:, :, ::-1]) if pixels.shape[2] == 3 else pixels
    _, encoded = cv2.imencode(".png", flipped)
    return "png", encoded.tobytes()
