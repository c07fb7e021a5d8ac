"""Pictures of what happens to pictures: before and after each step, and as batches with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubel.data.augmentation import SETS, Augmentation
from hubel.data.batching import BatchLoader
from hubel.data.colour import to_rgb
from hubel.data.dataset import Dataset
from hubel.data.decoding import decode
from hubel.data.drawing import Cell, draw_batch, draw_steps
from hubel.data.geometry import resample
from hubel.data.preprocessing import Preprocessing, read_raw
from hubel.data.randomness import generator
from hubel.data.source import TRAIN, Index
from hubel.errors import RunError, SourceError
from hubel.results.files import write_bytes

ROWS: Final = 6
"""Pictures whose steps are shown."""
GRID: Final = (4, 8)
"""Rows and columns of an augmented batch."""

LEAST_SHARE: Final = 0.005
"""Labels with a smaller share of a blended picture are not named."""

_STREAM: Final = 29  # of random numbers


def write_preview(
    dataset: Dataset,
    preprocessing: Preprocessing,
    augmentation_names: tuple[str, ...],
    out: Path,
    seed: int,
) -> list[Path]:
    """Write PNG files that show what a network will see, and return their paths.

    `steps.png` has one row a picture: as decoded, in grey or RGB, after each classical filter,
    fitted, in its colour space, and scaled (values shown from least to greatest).
    `batch-pass-1.png` and `batch-pass-2.png` show the same pictures in two passes of training,
    augmented, with their labels; where labels are blended, with their shares. The pictures are
    of the training split (of all, where there is none), chosen by the seed, one of each class as
    long as there is room.

    Errors: SourceError without pictures; PictureError; RunError where `out` cannot be written.
    """
    positions = dataset.positions(TRAIN)
    if len(positions) == 0:
        positions = dataset.usable
    if len(positions) == 0:
        raise SourceError(f"{dataset.source.name} has no pictures to preview.")
    index = dataset.source.index
    augmentation = Augmentation.from_names(
        augmentation_names, num_classes=len(index.classes), seed=seed, task=index.task
    )
    chosen = _choose(dataset, positions, GRID[0] * GRID[1], seed)
    pictures = {"steps.png": _steps(dataset, preprocessing, chosen[:ROWS])}
    for epoch in (0, 1):
        name = f"batch-pass-{epoch + 1}.png"
        pictures[name] = _batch(dataset, preprocessing, augmentation, chosen, epoch)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Could not make the folder {out}: {error.strerror}. Choose another with --out."
        ) from error
    for name, png in pictures.items():
        write_bytes(out / name, png)
    return [out / name for name in pictures]


def _choose(
    dataset: Dataset, positions: NDArray[np.int64], count: int, seed: int
) -> NDArray[np.int64]:
    """Choose pictures at random, taking the classes in turn where pictures have one class."""
    shuffled = generator(seed, _STREAM).permutation(positions)
    if dataset.source.index.task != "classification":
        return shuffled[:count]
    labels = dataset.labels_of(shuffled)
    turn = np.zeros(len(shuffled), np.int64)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        turn[places] = np.arange(len(places))
    return shuffled[np.argsort(turn, kind="stable")][:count]


def _steps(dataset: Dataset, preprocessing: Preprocessing, chosen: NDArray[np.int64]) -> bytes:
    decoded: list[NDArray[np.uint8]] = []
    for position in chosen.tolist():
        raw, where = read_raw(dataset.source, position)
        decoded.append(decode(raw, where=where, at_least=preprocessing.decode_at_least))
    recolour = any(pixels.shape[2] != preprocessing.channels for pixels in decoded)
    rows = [steps_of(preprocessing, pixels, recolour=recolour) for pixels in decoded]
    labels = [target_text(dataset.source.index, label) for label in dataset.labels_of(chosen)]
    return draw_steps(f"From picture to input · {dataset.source.name}", labels, rows)


def steps_of(
    preprocessing: Preprocessing, decoded: NDArray[np.uint8], *, recolour: bool
) -> list[Cell]:
    """Return the picture as decoded and after each step; `recolour` shows grey or RGB too."""
    space = preprocessing.colour
    channels = {"grey": "grey", "channels": "channels"}.get(space, "RGB")
    cells = [_cell("decoded", decoded)]
    pixels = preprocessing.recoloured(decoded)
    if recolour:
        cells.append(_cell(channels, pixels))
    for step in preprocessing.filters:
        pixels = step(pixels)
        cells.append(_cell(str(step), pixels))
    pixels = preprocessing.shrunk(pixels)
    matrix = preprocessing.geometry(pixels.shape[0], pixels.shape[1])
    cells.append(_cell(preprocessing.fit, resample(pixels, matrix, preprocessing.size)))
    fitted = preprocessing.resample(pixels)
    if channels == "RGB" and space != "rgb":
        cells.append(_cell(f"{space} as RGB", fitted))
    scaled = preprocessing.normalise(torch.from_numpy(fitted.copy())[None])
    range_ = f"{scaled.min().item():.2f} to {scaled.max().item():.2f}".replace("-", "−")
    name = {"standard": "standardised", "none": "scaled"}.get(
        preprocessing.normalisation, f"{preprocessing.normalisation.upper()} whitened"
    )
    cells.append(Cell(title=name, caption=range_, pixels=_stretched(scaled)[0]))
    return cells


def _cell(title: str, pixels: NDArray[np.uint8]) -> Cell:
    caption = f"{pixels.shape[1]} × {pixels.shape[0]}"
    return Cell(title=title, caption=caption, pixels=pixels)


def _batch(
    dataset: Dataset,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
    chosen: NDArray[np.int64],
    epoch: int,
) -> bytes:
    loader = BatchLoader(
        dataset.source,
        chosen,
        preprocessing,
        dataset.labels_of(chosen),
        batch=len(chosen),
        seed=augmentation.seed,
        augmentation=augmentation,
        shuffle=False,
    )
    (batch,) = loader.epoch(epoch)
    index = dataset.source.index
    cells = [
        Cell(title="", caption=target_text(index, target), pixels=pixels)
        for pixels, target in zip(
            _natural(preprocessing, batch.inputs), batch.targets.numpy(), strict=True
        )
    ]
    names = " + ".join(augmentation.names) or "no augmentation"
    meaning = "; ".join(SETS[name] for name in augmentation.names or ("none",))
    title = f"A batch as the network sees it · {names} · pass {epoch + 1}"
    return draw_batch(title, meaning, cells, GRID)


def target_text(index: Index, target: Any) -> str:
    """Say in words what a target means, a line each: classes, numbers, or shares of a blend."""
    if index.task == "unlabelled":
        return ""
    values: NDArray[Any] = np.atleast_1d(target)
    if index.task == "regression":
        return "\n".join(
            f"{name} {value:.4g}" for name, value in zip(index.classes, values, strict=True)
        )
    if len(values) == 1 and values.dtype.kind in "iu":
        return index.classes[int(values[0])]
    named = [
        index.classes[place]
        if values[place] > 1 - LEAST_SHARE
        else f"{index.classes[place]} {values[place]:.0%}"
        for place in np.argsort(-values, kind="stable")
        if values[place] >= LEAST_SHARE
    ]
    return "\n".join(named) or "no label"


def _natural(preprocessing: Preprocessing, inputs: Tensor) -> NDArray[np.uint8]:
    """Undo the scaling and the colour space, so that people see pictures: (N, S, S, C).

    Whitened pictures have no scale of their own: each is shown from its least to its greatest.
    """
    if preprocessing.whitening is not None:
        return _stretched(inputs)
    mean = torch.tensor(preprocessing.mean).view(-1, 1, 1)
    std = torch.tensor(preprocessing.std).view(-1, 1, 1)
    values = (inputs * std + mean).mul(255).round().clamp(0, 255).to(torch.uint8)
    pictures = values.permute(0, 2, 3, 1).contiguous().numpy()
    return np.stack([to_rgb(picture, preprocessing.colour) for picture in pictures])


def _stretched(inputs: Tensor) -> NDArray[np.uint8]:
    """Bring each picture's values, from least to greatest, to 0 to 255: (N, S, S, C)."""
    low, high = inputs.amin((1, 2, 3), keepdim=True), inputs.amax((1, 2, 3), keepdim=True)
    values = (inputs - low) / (high - low).clamp(min=1e-12)
    return values.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
