"""From what the user typed to a source of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hubel.data.arrays import open_arrays
from hubel.data.digits import open_digits
from hubel.data.folder import open_folder
from hubel.data.idx import is_idx, open_idx_file
from hubel.data.naming import check_class_names, is_picture
from hubel.data.shards import list_shards, open_shards
from hubel.data.source import Index, Source
from hubel.data.table import TABLE_SUFFIXES, open_table
from hubel.errors import SourceError, UsageError, did_you_mean

KINDS = (
    "a folder with a sub-folder a class, a folder with train/ val/ test/, a folder of pictures, "
    "a .csv, .tsv or .parquet table, tar shards in the WebDataset layout, idx files of the MNIST "
    "family, an .npz file, or digits"
)
_ARCHIVES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def open_source(spec: str | Path | Source) -> Source:
    """Return the source of pictures that `spec` names; no picture is opened.

    `spec` is the word `digits` (write `./digits` for a folder of that name), a path, or a Source
    of one's own, whose index is checked.

    Errors: UsageError where there is no such thing, SourceError where it cannot be used.
    """
    if isinstance(spec, Source):
        _check_index(spec.index, spec.name)
        return spec
    if spec == "digits":
        return open_digits()
    path, name = Path(spec).expanduser(), str(spec)
    try:
        source = _open_path(path, name)
    except PermissionError:
        raise SourceError(f"Permission to read {name} is denied.") from None
    _check_index(source.index, name)
    return source


def _open_path(path: Path, name: str) -> Source:
    if not path.exists():
        raise UsageError(f"There is no source {name!r}: {_offer(path)}")
    if path.is_dir():
        shards = list_shards(path)
        return open_shards(shards, path, name) if shards else open_folder(path, name)
    suffix = path.suffix.lower()
    if suffix == ".tar":
        return open_shards([path], path.parent, name)
    if suffix in TABLE_SUFFIXES:
        return open_table(path, name)
    if suffix == ".npz":
        return open_arrays(path, name)
    if is_idx(path.name):
        return open_idx_file(path, name)
    if is_picture(path.name):
        raise UsageError(
            f"{name!r} is one picture, not a source: a source is {KINDS}. "
            "Try hubel predict RUN with this picture, or give its folder."
        )
    hint = " Unpack it first." if suffix in _ARCHIVES else ""
    raise UsageError(f"{name!r} is no source that hubel knows: a source is {KINDS}.{hint}")


def _offer(path: Path) -> str:
    """Say what stands beside a path that does not exist."""
    parent = path.parent
    while not parent.is_dir():
        path, parent = parent, parent.parent
    siblings = [item.name for item in parent.iterdir() if not item.name.startswith(".")]
    offer = did_you_mean(path.name, [*siblings, "digits"])
    place = "here" if parent == Path() else f"in {parent}"
    what = f"there is no {path.name!r} {place}"
    return f"{what}; {offer}{' ' * bool(offer)}A source is {KINDS}."


def _check_index(index: Index, name: str) -> None:
    """Raise SourceError unless the parts of an index fit together."""
    length = len(index.keys)
    if not length:
        raise SourceError(f"There are no pictures in {name}.")
    if len(set(index.keys)) != length:
        raise SourceError(f"The keys of {name} are not unique: every picture needs its own.")
    for what, array in (("labels", index.labels), ("splits", index.splits)):
        if len(array) != length:
            raise SourceError(f"{name} has {length:,} keys but {len(array):,} {what}.")
    if index.groups is not None and len(index.groups) != length:
        raise SourceError(f"{name} has {length:,} keys but {len(index.groups):,} groups.")
    if not bool(np.isin(index.splits, (-1, 0, 1, 2)).all()):
        raise SourceError(f"The splits of {name} must be 0, 1, 2 or -1 (train, val, test, none).")
    if len(set(index.classes)) < len(index.classes):
        raise SourceError(f"Two classes of {name} have the same name.")
    check_class_names(index.classes, name)
    _check_labels(index, name)


def _check_labels(index: Index, name: str) -> None:
    """Raise SourceError unless the labels have the task's shape, type and range."""
    labels, outputs = index.labels, len(index.classes)
    shape = (
        (len(index),) if index.task in {"classification", "unlabelled"} else (len(index), outputs)
    )
    kinds = {"classification": "iu", "unlabelled": "iu", "multilabel": "iu", "regression": "f"}
    if labels.shape != shape or labels.dtype.kind not in kinds[index.task]:
        raise SourceError(
            f"The labels of {name} must have shape {shape} and be "
            f"{'floats' if index.task == 'regression' else 'integers'} for {index.task}, "
            f"not {labels.shape} of {labels.dtype}."
        )
    limits = {"classification": (0, outputs - 1), "multilabel": (0, 1)}.get(index.task)
    if limits and (int(labels.min()) < limits[0] or int(labels.max()) > limits[1]):
        raise SourceError(
            f"The labels of {name} must lie in {limits[0]} to {limits[1]} for its {outputs} "
            f"classes, not in {labels.min()} to {labels.max()}."
        )
    if index.task == "regression" and not bool(np.isfinite(labels).all()):
        raise SourceError(f"The targets of {name} must be finite numbers.")
