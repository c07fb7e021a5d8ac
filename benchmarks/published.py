"""What RESULTS.md was made from: a compressed file of JSON lines a benchmark.

Anyone can read the figures again from it, and a measurement of hours goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).with_name("published")


def published(name: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a benchmark; none where nothing was published."""
    path = FOLDER / f"{name}.jsonl.xz"
    if path.is_file():
        with lzma.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


def publish(name: str, lines: Iterable[dict[str, Any]]) -> None:
    """Replace the lines of a benchmark."""
    FOLDER.mkdir(exist_ok=True)
    with lzma.open(FOLDER / f"{name}.jsonl.xz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def add_publish(parser: argparse.ArgumentParser) -> None:
    """Add whether what was measured is published."""
    parser.add_argument(
        "--publish",
        action="store_true",
        help=f"add what was measured to the files of {FOLDER.name}/",
    )
