"""Pictures of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PLOTS: Final = Path(__file__).parents[1] / "plots"

_FOLDER: Final = [PLOTS]

COLOURS: Final = {
    "hubel": "#d62728",
    "fastai": "#1f77b4",
    "ultralytics": "#2ca02c",
    "keras": "#9467bd",
    "timm": "#8c564b",
    "torchvision": "#7f7f7f",
}
"""One colour a tool, the same in every picture."""


def write_to(folder: Path) -> None:
    """Let pictures be written elsewhere than beside RESULTS.md."""
    _FOLDER[0] = folder


def colour(peer: str) -> str:
    """Return the colour of a tool."""
    return COLOURS.get(peer, "#17becf")


def picture(name: str, draw: Callable[[Any], None], *, size: tuple[float, float] = (8, 5)) -> Path:
    """Draw on axes, write NAME.png and `.svg`, and return the PNG file's path."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        _FOLDER[0].mkdir(parents=True, exist_ok=True)
        path = _FOLDER[0] / f"{name}.png"
        figure.savefig(path, dpi=120)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    return path


def bars(
    name: str, values: Mapping[str, Sequence[float]], peers: Mapping[str, str], label: str
) -> Path:
    """Draw the median of each arm as a bar with its values as points.

    `values` gives each arm's measurements, `peers` the tool of each arm.
    """
    from statistics import median

    def draw(axes: Any) -> None:
        for place, (arm, found) in enumerate(list(values.items())[::-1]):
            axes.barh(place, median(found), color=colour(peers[arm]), alpha=0.75)
            axes.plot(found, [place] * len(found), "k.", markersize=4)
        axes.set_yticks(range(len(values)), list(values)[::-1])
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")

    return picture(name, draw, size=(8, 1 + 0.4 * len(values)))
