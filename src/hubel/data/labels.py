"""Labels as text, and how many pictures each class has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.data.source import Index


def label_text(index: Index, position: int) -> str:
    """Return a picture's label: a class, labels or numbers joined by `;`, or nothing."""
    label = index.labels[position]
    if index.task == "unlabelled":
        return ""
    if index.task == "classification":
        return index.classes[int(label)]
    if index.task == "multilabel":
        return ";".join(index.classes[place] for place in np.flatnonzero(label).tolist())
    return ";".join(repr(float(number)) for number in label)


def class_counts(index: Index, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of the pictures have each class, label or target."""
    labels: NDArray[Any] = index.labels[positions]
    if index.task == "classification":
        return np.bincount(labels, minlength=len(index.classes)).astype(np.int64)
    if index.task == "multilabel":
        return labels.sum(axis=0, dtype=np.int64)
    return np.full(len(index.classes), len(positions), np.int64)


def same_label(index: Index, positions: NDArray[np.int64]) -> bool:
    """Return whether all the pictures have the same label."""
    labels = index.labels[positions]
    return bool((labels == labels[:1]).all())
