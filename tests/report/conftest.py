"""Sample runs as a fixture, and a parser that holds a page to its rules."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """A parsed page: its tags must balance, its attributes are kept."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.html = html
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def scripts(self) -> list[str]:
        return re.findall(r"<script[^>]*>(.*?)</script>", self.html, re.DOTALL)

    def requests(self) -> list[str]:
        """What a browser would fetch from elsewhere, or follow away from the page."""
        loads = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background"}
        wanted = [value for _, name, value in self.attributes if name in loads]
        wanted += re.findall(r"url\(\s*['\"]?([^)'\"]*)", self.html)
        wanted += re.findall(r"@import\s+(\S+)", self.html)
        return [w for w in wanted if not w.startswith(("data:image/", "#"))]


@pytest.fixture
def parse() -> Callable[[str], Page]:
    """Parses a page; fails where its tags do not balance."""
    return Page


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The sample runs."""
    spec = importlib.util.spec_from_file_location(
        "hubel_report_samples", Path(__file__).with_name("samples.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
