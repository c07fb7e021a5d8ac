"""Reads a chart back: its elements, as a browser would see them."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest


class Drawn:
    """A parsed chart."""

    def __init__(self, markup: str) -> None:
        self.root = ET.fromstring(markup)
        self.width, self.height = map(float, self.root.get("viewBox", "").split()[2:])

    def all(self, tag: str, role: str | None = None) -> list[ET.Element]:
        """Elements of a kind, of a class of the style sheet where one is named."""
        return [
            element
            for element in self.root.iter(tag)
            if role is None or role in element.get("class", "").split()
        ]

    def texts(self, role: str | None = None) -> list[str]:
        return [element.text or "" for element in self.all("text", role)]

    def tips(self) -> list[str]:
        return [element.text or "" for element in self.root.iter("title")]

    def inside(self) -> bool:
        """Whether no text, measured at 0.55 em a letter, and no shape leaves the frame."""
        places = []
        for element in self.all("text"):
            if element.get("transform"):
                continue
            size = re.search(r"font-size:([\d.]+)", element.get("style", ""))
            letter = 0.55 * (float(size[1]) if size else 12.0)
            at, wide = float(element.get("x", "")), letter * len(element.text or "")
            start = at - {"middle": wide / 2, "end": wide}.get(element.get("text-anchor", ""), 0)
            places += [start, start + wide]
        numbers = [float(e.get(name, "0")) for e in self.root.iter() for name in ("y", "cy", "y2")]
        return all(-9 <= x <= self.width + 9 for x in places) and all(
            -1 <= y <= self.height for y in numbers
        )


@pytest.fixture
def drawn() -> Callable[[str], Drawn]:
    """Parses a chart."""
    return Drawn
