"""Pages of small pictures with captions, as PNG; matplotlib's objects, no global state."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

DOTS_PER_INCH: Final = 130
LONGEST_CAPTION: Final = 20

_INK, _FAINT, _LINE = "#1f2328", "#656d76", "#d0d7de"
_TEXT: Final[dict[str, Any]] = {"parse_math": False}  # a $ in a class's name is a $
_CAPTION_LINES: Final = 3
_LEAST_WIDTH: Final = 6.0
_SMALL_SIDE: Final = 96  # pictures below are shown pixel by pixel


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cell:
    """One picture of a page, uint8 (height, width, channels), with what stands around it."""

    title: str
    caption: str
    pixels: NDArray[np.uint8]


def draw_steps(title: str, labels: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    """Draw one row a picture, one column a step; the steps' names stand above the first row."""
    columns = len(rows[0])
    page = _Page(rows=len(rows), columns=columns, side=1.6, below=0.28, left=1.15, top=0.62)
    figure, grid = page.open(title, "")
    for number, (label, cells) in enumerate(zip(labels, rows, strict=True)):
        for column, cell in enumerate(cells):
            axes: Axes = grid[number, column]
            _draw(axes, cell)
            if number == 0:
                axes.set_title(cell.title, fontsize=9, fontweight="bold", color=_INK, **_TEXT)
        grid[number, 0].set_ylabel(
            shortened(label.replace("\n", ", "), 16),
            rotation=0,
            ha="right",
            va="center",
            labelpad=8,
            fontsize=9,
            color=_INK,
            **_TEXT,
        )
    return _png(figure)


def draw_batch(title: str, subtitle: str, cells: Sequence[Cell], shape: tuple[int, int]) -> bytes:
    """Draw pictures in a grid of at most `shape` (rows, columns), each above its caption."""
    columns = min(shape[1], len(cells))
    rows = -(-len(cells) // columns)
    lines = max(min(cell.caption.count("\n") + 1, _CAPTION_LINES) for cell in cells)
    page = _Page(rows=rows, columns=columns, side=1.4, below=0.14 + 0.14 * lines)
    figure, grid = page.open(title, subtitle)
    for place, axes in enumerate(grid.flat):
        if place < len(cells):
            _draw(axes, cells[place])
        else:
            axes.axis("off")
    return _png(figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A grid of squares under a title; lengths in inches."""

    rows: int
    columns: int
    side: float
    below: float
    """Room for the caption below each square."""
    left: float = 0.1
    top: float = 0.4
    """Room for one line of title; the lines of the subtitle come on top."""

    def open(self, title: str, subtitle: str) -> tuple[Figure, Any]:
        """Return the figure and its axes, an array (rows, columns)."""
        gap = 0.1
        width = max(self.left + self.columns * (self.side + gap), _LEAST_WIDTH)
        lines = [title, *textwrap.wrap(subtitle, int(width * 13))]  # letters to an inch
        top = self.top + 0.17 * (len(lines) - 1)
        height = top + self.rows * (self.side + self.below)
        figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
        FigureCanvasAgg(figure)
        figure.suptitle(
            "\n".join(lines), y=1 - 0.08 / height, va="top", fontsize=10, color=_INK, **_TEXT
        )
        grid = figure.subplots(
            self.rows,
            self.columns,
            squeeze=False,
            gridspec_kw={
                "left": self.left / width,
                "right": (self.left + self.columns * (self.side + gap) - gap) / width,
                "top": 1 - top / height,
                "bottom": self.below / height,
                "wspace": gap / self.side,
                "hspace": self.below / self.side,
            },
        )
        return figure, grid


def shortened(text: str, most: int = LONGEST_CAPTION) -> str:
    """Return the text, or its beginning and an ellipsis where it is longer than `most`."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def displayable(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey (height, width) or RGB pixels; other channels are shown by their mean."""
    if pixels.shape[2] == 3:
        return pixels
    return np.rint(pixels.mean(axis=2)).astype(np.uint8)


def _draw(axes: Axes, cell: Cell) -> None:
    pixels = displayable(cell.pixels)
    method = "nearest" if max(pixels.shape[:2]) < _SMALL_SIDE else "antialiased"
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation=method)
    # Every picture in the middle of a square, so that rows and titles line up.
    height, width = pixels.shape[:2]
    half = max(height, width) / 2 * 1.02
    axes.set_xlim(width / 2 - 0.5 - half, width / 2 - 0.5 + half)
    axes.set_ylim(height / 2 - 0.5 + half, height / 2 - 0.5 - half)
    axes.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=_LINE))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    caption = "\n".join(map(shortened, cell.caption.split("\n")[:_CAPTION_LINES]))
    axes.set_xlabel(caption, fontsize=7.5, color=_FAINT, labelpad=3, **_TEXT)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # A class's name in a script that matplotlib's font lacks is shown as boxes, no more.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="png")
    return stream.getvalue()
