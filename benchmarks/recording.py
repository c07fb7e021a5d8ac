"""What a benchmark found, and where it stands: a section of RESULTS.md each."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
_PACKAGES: Final = ("hubel", "torch", "torchvision", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A further table of a section."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table below its title."""
        return f"**{self.title}**\n\n{_table(self.header, self.rows)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One benchmark's result."""

    title: str
    what: str
    """How it was measured, in a sentence or two."""
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    verdict: str
    """What follows from it, goal included."""
    tables: Sequence[Table] = ()
    pictures: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Files by what they show."""
    versions: Sequence[str] = ()
    """Versions of the peers, as `fastai 2.8.12`."""

    def markdown(self) -> str:
        """Return the section, with where and when it was measured."""
        parts = [f"## {self.title}", self.what, _table(self.header, self.rows)]
        parts += [table.markdown() for table in self.tables]
        parts += [f"![{shown}]({_relative(path)})" for shown, path in self.pictures.items()]
        parts += [self.verdict, conditions(self.versions)]
        return "\n\n".join(parts) + "\n"


def _relative(path: Path) -> str:
    """Return a path as RESULTS.md names it; one that lies elsewhere is named whole."""
    below = path.is_relative_to(RESULTS.parent)
    return (path.relative_to(RESULTS.parent) if below else path).as_posix()


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(cells) for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def conditions(more: Sequence[str] = ()) -> str:
    """Return versions, hardware and date in a line, with `more` versions at its end."""
    versions = ", ".join([*(f"{package} {version(package)}" for package in _PACKAGES), *more])
    return (
        f"*{datetime.now(UTC):%Y-%m-%d}; {processor()}, {os.cpu_count()} processors; "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{versions}.*"
    )


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


@cache
def hubel_digest() -> str:
    """Return a digest of hubel's source as this environment imports it."""
    spec = importlib.util.find_spec("hubel")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def sources(digests: Iterable[str]) -> str:
    """Return a sentence where not all was measured on hubel's source as it is now."""
    counts = Counter(digests)
    if set(counts) <= {hubel_digest()}:
        return ""
    each = ", ".join(f"{number:,} on {digest}" for digest, number in counts.items())
    return f"By digest of hubel's source: {each}. "


def record(name: str, section: Section) -> None:
    """Replace the section called `name` in RESULTS.md, or add it at the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    text = RESULTS.read_text("utf-8")
    block = f"{begin}\n{section.markdown()}{end}"
    if begin in text:
        before, _, rest = text.partition(begin)
        text = before + block + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    RESULTS.write_text(text, encoding="utf-8")


def interval(metric: dict[str, float]) -> str:
    """Return a share with its 95% interval in percent."""
    return f"{metric['value']:.2%} ({metric['low']:.2%} to {metric['high']:.2%})"
