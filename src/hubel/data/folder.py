"""Folders: of class sub-folders, of train/ val/ test/, or of pictures without classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.data.files import FileSource, Listing, list_folder, printable, subfolders
from hubel.data.idx import holds_idx, open_idx_folder
from hubel.data.naming import (
    FOREIGN_SUFFIXES,
    PICTURE_SUFFIXES,
    SPLIT_WORDS,
    check_class_names,
    count,
    some,
    sort_classes,
)
from hubel.data.source import SPLITS, UNSPLIT, Index, Source
from hubel.errors import SourceError
from hubel.results import Finding


@dataclass(slots=True)
class _Contents:
    """What the walk found: (name, class, split) of each picture, and what has no place."""

    pictures: list[tuple[str, str, int]]
    """An empty class means that the picture lies in no class folder."""
    others: Counter[str]
    empty: set[str]
    """Class folders without pictures."""
    outside: list[str]
    """Pictures beside train/, val/ and test/."""


def open_folder(folder: Path, name: str) -> Source:
    """Return the pictures of a folder; which layout it has, its sub-folders tell.

    - With idx files in it: the MNIST family.
    - With at least two of train/, val/ (valid/, validation/) and test/, or with one of them and no
      other folder of pictures: the user's splits, with class folders in them (or none).
    - With other sub-folders that hold pictures: a class a sub-folder, at any depth below it.
    - With pictures only: unlabelled.

    Errors: SourceError for no pictures, or class names that differ only in case.
    """
    if holds_idx(folder):
        return open_idx_folder(folder, name)
    loose = list_folder(folder, recursive=False)
    below = {child.name: list_folder(child) for child in subfolders(folder)}
    splits = _split_folders(below, name)
    contents = _in_splits(folder, below, splits, loose) if splits else _in_classes(below, loose)
    if not contents.pictures:
        raise SourceError(_nothing(name, contents.others))
    return _source(folder, name, contents)


def _split_folders(below: dict[str, Listing], name: str) -> dict[str, int]:
    """Return which sub-folders are splits: none, unless they can be nothing else."""
    filled = [child for child, listing in below.items() if listing.pictures]
    splits = {child: SPLIT_WORDS[child.lower()] for child in filled if child.lower() in SPLIT_WORDS}
    kinds = set(splits.values())
    if len(kinds) < 2 and len(filled) > len(splits):
        return {}  # one class that is called train, among others
    if len(kinds) < len(splits):
        raise SourceError(
            f"Two folders of {name} name the same split: {some(sorted(splits))}; join them."
        )
    return splits


def _in_splits(
    folder: Path, below: dict[str, Listing], splits: dict[str, int], loose: Listing
) -> _Contents:
    """Read the layout train/CLASS/…, val/CLASS/…, test/CLASS/…."""
    contents = _Contents([], loose.others.copy(), set(), list(loose.pictures))
    for child, listing in below.items():
        contents.others.update(listing.others)
        if child not in splits:
            contents.outside += [f"{child}/{path}" for path in listing.pictures]
            continue
        for path in listing.pictures:
            label = path.partition("/")[0] if "/" in path else ""
            contents.pictures.append((f"{child}/{path}", label, splits[child]))
        contents.empty |= {item.name for item in subfolders(folder / child)}
    contents.empty -= {label for _, label, _ in contents.pictures}
    return contents


def _in_classes(below: dict[str, Listing], loose: Listing) -> _Contents:
    """Read the layout CLASS/…, or a folder of nothing but pictures."""
    contents = _Contents([], loose.others.copy(), set(), [])
    for child, listing in below.items():
        contents.others.update(listing.others)
        contents.pictures += [(f"{child}/{path}", child, UNSPLIT) for path in listing.pictures]
        if not listing.pictures:
            contents.empty.add(child)
    contents.pictures += [(path, "", UNSPLIT) for path in loose.pictures]
    return contents


def _source(folder: Path, name: str, contents: _Contents) -> Source:
    classes = sort_classes(label for _, label, _ in contents.pictures if label)
    check_class_names(classes, name)
    unlabelled = [path for path, label, _ in contents.pictures if not label]
    findings = _findings(contents, unlabelled if classes else [])
    used = [item for item in contents.pictures if item[1] or not classes]
    used.sort(key=lambda item: item[0])
    position = {label: place for place, label in enumerate(classes)}
    keys, odd_names = _keys([path for path, _, _ in used])
    index = Index(
        task="classification" if classes else "unlabelled",
        classes=tuple(printable(label) for label in classes),
        keys=keys,
        labels=np.array([position.get(label, -1) for _, label, _ in used], np.int64),
        splits=np.array([split for _, _, split in used], np.int8),
    )
    return FileSource(name, folder, index, odd_names=odd_names, findings=findings)


def _keys(paths: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return keys that can be printed, and the true path of each that differs from its key."""
    keys = [path if path.isprintable() else printable(path) for path in paths]
    odd = {key: path for key, path in zip(keys, paths, strict=True) if key != path}
    return keys, odd


def _findings(contents: _Contents, unlabelled: list[str]) -> tuple[Finding, ...]:
    """Say what of the folder is not used, so that nothing is dropped in silence."""
    found: list[Finding] = []
    if contents.outside:
        found.append(
            _finding(
                "data/outside-splits",
                f"{count(len(contents.outside), 'picture')} beside {', '.join(SPLITS)} "
                "cannot be placed in a split and are not used.",
                contents.outside,
                "Move them into one of the splits, or out of the folder.",
            )
        )
    if unlabelled:
        found.append(
            _finding(
                "data/without-class",
                f"{count(len(unlabelled), 'picture')} in no class folder are not used.",
                unlabelled,
                "Move each into the folder of its class.",
            )
        )
    if contents.empty and any(label for _, label, _ in contents.pictures):
        found.append(
            _finding(
                "data/empty-class",
                f"{count(len(contents.empty), 'folder')} without pictures: "
                f"{some(sorted(contents.empty))}; no such class is known.",
                sorted(contents.empty),
                "Add pictures, or remove the folders.",
            )
        )
    return (*found, *_ignored(contents.others))


def _finding(identity: str, what: str, where: list[str], remedy: str) -> Finding:
    return Finding(
        id=identity,
        what=what,
        where=tuple(printable(place) for place in where),
        evidence=f"{len(where):,} found",
        threshold="0",
        severity="warning",
        confidence=1.0,
        remedy=remedy,
        source="hubel",
    )


def _ignored(others: Counter[str]) -> tuple[Finding, ...]:
    """Tell of files that are no pictures by their suffix; of foreign pictures with a warning."""
    if not others:
        return ()
    foreign = {suffix for suffix in others if suffix in FOREIGN_SUFFIXES}
    return (
        Finding(
            id="data/ignored-files",
            what=f"{count(others.total(), 'file')} are ignored: by their suffix no pictures "
            "that hubel decodes.",
            where=(),
            evidence=", ".join(f"{suffix}: {number:,}" for suffix, number in others.most_common()),
            threshold=" ".join(sorted(PICTURE_SUFFIXES)),
            severity="warning" if foreign else "note",
            confidence=1.0,
            remedy=f"Convert the {', '.join(sorted(foreign))} files to JPEG or PNG to use them."
            if foreign
            else "Nothing, if no pictures are meant.",
            source="hubel",
        ),
    )


def _nothing(name: str, others: Counter[str]) -> str:
    """Return the sentence for a folder without pictures."""
    found = ", ".join(f"{suffix} ({number:,})" for suffix, number in others.most_common(5))
    return (
        f"There are no pictures in {name}: expected files that end in "
        f".jpg, .png, .webp, .bmp, .tif or .gif, "
        f"{'found only files with ' + found if found else 'found no files'}."
    )
