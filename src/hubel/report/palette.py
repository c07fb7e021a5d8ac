"""The colours of the pages: one table a theme, and the style sheet's variables made from it.

Blue means right, orange means wrong, greys carry everything else; the two hues stay apart for
readers who do not see red and green. Tests hold every text to a contrast of at least 4.5 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LIGHT: Final[Mapping[str, str]] = {
    "paper": "#fcfcfb",
    "sunken": "#f2f4f5",
    "ink": "#14181d",
    "ink-2": "#454d56",
    "ink-3": "#626b75",
    "rule": "#d9dde1",
    "grid": "#e9ebee",
    "right": "#1f4f9f",
    "wrong": "#b3440c",
    "caution": "#7d5700",
    "train": "#626b75",
}

DARK: Final[Mapping[str, str]] = {
    "paper": "#101317",
    "sunken": "#181c22",
    "ink": "#e9ebee",
    "ink-2": "#b9c0c8",
    "ink-3": "#929ba6",
    "rule": "#2d343c",
    "grid": "#20262d",
    "right": "#8ab2f6",
    "wrong": "#f2955f",
    "caution": "#d8b055",
    "train": "#929ba6",
}

SHADES: Final = (0.14, 0.20, 0.26, 0.32, 0.38, 0.44, 0.50, 0.90, 0.95, 1.0)
"""Opacities of the heat map, faint to full; none lies where no text could be read upon it."""

DARK_SHADES_FROM: Final = 7
"""First shade on which text is written in the colour of the paper."""


def variables(theme: Mapping[str, str]) -> str:
    """Return the theme as declarations of CSS variables."""
    return "".join(f"--{name}:{value};" for name, value in theme.items())


def style_variables() -> str:
    """Return the rules that set the variables: by the reader's system, by the toggle, on paper.

    The toggle is a group of radio buttons that `:has()` reads, so it needs neither script nor
    storage. Print is always light.
    """
    light, dark = variables(LIGHT), variables(DARK)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        "@media screen and (prefers-color-scheme:dark){"
        f":root:not(:has(#theme-light:checked)){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root:has(#theme-dark:checked){{color-scheme:dark;{dark}}}}}\n"
    )
