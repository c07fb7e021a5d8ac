"""Reads charts back: an SVG string as a tree whose elements can be asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest


class Drawing:
    """A chart that was drawn."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = ET.fromstring(text)

    def all(self, name: str, class_: str = "") -> list[ET.Element]:
        """Elements of a name, below elements of a class."""
        roots = [self.root]
        if class_:
            roots = [e for e in self.root.iter() if class_ in (e.get("class") or "").split()]
        return [e for root in roots for e in root.iter(name)]

    def points(self, class_: str) -> list[list[tuple[float, float]]]:
        """The corners of each path below elements of a class."""
        return [
            [
                (float(x), float(y))
                for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", e.get("d", ""))
            ]
            for e in self.all("path", class_)
        ]

    def texts(self) -> list[str]:
        """Everything written."""
        return [e.text or "" for e in self.all("text")]

    def tips(self) -> list[str]:
        """Everything told under the pointer."""
        return [e.text or "" for e in self.all("title")]


@pytest.fixture
def read() -> Callable[[str], Drawing]:
    """The reader."""
    return Drawing
