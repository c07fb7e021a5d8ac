"""The page of a check, with a picture on which receptive fields are shown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hubel.data.decoding import decode
from hubel.errors import RunError
from hubel.report import render_check
from hubel.report.drawing import stand_alone
from hubel.results import Check
from hubel.results.files import write_bytes
from hubel.workflows.folders import RUNS, slug


def write_check_page(checks: Sequence[Check], path: Path, picture: Path | None = None) -> None:
    """Write the page about networks that were read.

    `picture` is drawn at the size of each network's input; by default it is the photograph of a
    flower that comes with scikit-learn. Errors: PictureError for a picture that cannot be read,
    RunError for a file that cannot be written.
    """
    pixels = _flower() if picture is None else decode(picture, where=str(picture))
    images = {check.model: _fitted(pixels, check.input) for check in checks}
    fields = {
        check.model: base64.b64encode(Path(check.effective.picture).read_bytes()).decode()
        for check in checks
        if check.effective is not None
    }
    _write(path, render_check(checks, images, fields))


def effective_picture(model: str, page: Path | None) -> Path:
    """Return where the picture of an effective field goes: beside the page, else under runs/."""
    name = f"effective-{slug(model)}.png"
    return (page.parent if page is not None else RUNS / "check") / name


def write_drawing(check: Check, path: Path) -> None:
    """Write the drawing of a network as an SVG file. Errors: RunError."""
    _write(path, stand_alone(check))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode())
    except OSError as error:
        raise RunError(f"Could not write {path}: {error.strerror or error}.") from error


def _flower() -> NDArray[np.uint8]:
    """Return scikit-learn's photograph of a flower, (427, 640, 3)."""
    from sklearn.datasets import load_sample_image

    return load_sample_image("flower.jpg")


def _fitted(pixels: NDArray[np.uint8], shape: Sequence[int]) -> str:
    """Return the middle of a picture at an input's height and width, as base64 PNG.

    Empty for inputs that are no pictures.
    """
    if len(shape) != 3:
        return ""
    height, width = shape[1:]
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    sides = (
        max(width, round(pixels.shape[1] * scale)),
        max(height, round(pixels.shape[0] * scale)),
    )
    resized = np.atleast_3d(cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA))
    top, left = (resized.shape[0] - height) // 2, (resized.shape[1] - width) // 2
    middle = resized[top : top + height, left : left + width]
    colours = cv2.COLOR_RGB2BGR if middle.shape[2] == 3 else None
    ordered = middle if colours is None else cv2.cvtColor(middle, colours)
    done, encoded = cv2.imencode(".png", ordered)
    assert done, "a small picture in memory is always a PNG"
    return base64.b64encode(encoded.tobytes()).decode()
