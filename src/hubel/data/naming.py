"""Names in sources: picture suffixes, split words, class names, and rows in sentences."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from hubel.data.source import TEST, TRAIN, VAL
from hubel.errors import SourceError

PICTURE_SUFFIXES: Final = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib"),
        *(".tif", ".tiff", ".gif", ".pgm", ".ppm", ".pbm", ".pnm"),
    }
)
"""Suffixes, in lower case, of the files that hubel takes for pictures."""

FOREIGN_SUFFIXES: Final = frozenset(
    {
        *(".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".svg", ".psd"),
        *(".xcf", ".ico", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf"),
    }
)
"""Suffixes of pictures that hubel does not decode; they are reported, not passed over."""

SPLIT_WORDS: Final = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": TEST,
    "testing": TEST,
}


def is_picture(name: str) -> bool:
    """Return whether a file of this name is taken for a picture, whatever is in it."""
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def sort_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names in order: as numbers where all are whole numbers, else as text."""
    distinct = set(names)
    if all(name.isascii() and name.isdigit() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def check_class_names(names: Sequence[str], where: str) -> None:
    """Raise SourceError where two names differ only in case or in how accents are composed."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        other = seen.setdefault(folded, name)
        if other != name:
            raise SourceError(
                f"Two classes of {where} differ only in case: {other!r} and {name!r}; "
                "join them, or give one of them another name."
            )


def some(items: Sequence[object], limit: int = 5) -> str:
    """Return the first items in words: `3, 7 and 9`, or `3, 7, 9 and 12 more`."""
    words = [str(item) for item in items[:limit]]
    rest = len(items) - len(words)
    if rest:
        return f"{', '.join(words)} and {rest:,} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def rows(numbers: Sequence[int]) -> str:
    """Return `row 3`, or `3 rows (4, 8 and 9)`."""
    if len(numbers) == 1:
        return f"row {numbers[0]}"
    return f"{len(numbers):,} rows ({some(numbers)})"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun: `1 picture`, `2,000 pictures`.

    >>> count(2, "class", "classes")
    '2 classes'
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
