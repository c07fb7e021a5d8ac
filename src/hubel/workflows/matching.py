"""The labels of another source, in the order of a network's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubel.data.source import Index, Source
from hubel.errors import UsageError, close_matches
from hubel.results import ModelCard, Task

_SAID = {
    "classification": "one class a picture",
    "multilabel": "several labels a picture",
    "regression": "numbers",
}


def targets_for(card: ModelCard, source: Source) -> NDArray[Any]:
    """Return what the network should answer for each picture of the source's index.

    Classes are matched by name: int64 (n,) for classes, uint8 (n, outputs) for labels, float32
    (n, outputs) for numbers. A source may lack classes that the network knows (labels that it does
    not name are absent); pictures of one class serve a network of several labels. Errors:
    UsageError where the source has no labels, other ones, or is made for another task.
    """
    index = source.index
    if index.task == "unlabelled":
        raise UsageError(
            f"{source.name} has no labels to compare answers with; to get answers: "
            f"hubel predict RUN {source.name}"
        )
    _check_task(card.task, index.task, source.name)
    _check_names(card, index, source.name)
    outputs = {name: place for place, name in enumerate(card.classes)}
    places = np.array([outputs[name] for name in index.classes], dtype=np.int64)
    if card.task == "classification":
        return places[index.labels]
    if index.task == "classification":
        return np.eye(len(card.classes), dtype=np.uint8)[places[index.labels]]
    targets = np.zeros((len(index), len(card.classes)), dtype=index.labels.dtype)
    targets[:, places] = index.labels
    return targets


def _check_task(wanted: Task, found: Task, name: str) -> None:
    """Refuse labels that answer another question."""
    if wanted == found or (wanted == "multilabel" and found == "classification"):
        return
    raise UsageError(
        f"The network answers with {_SAID[wanted]}, but {name} holds {_SAID[found]}: give a source "
        "of the same kind as the one it was trained on."
    )


def _check_names(card: ModelCard, index: Index, name: str) -> None:
    """Refuse names that the network does not know, and targets that the source lacks."""
    what = {"classification": "classes", "multilabel": "labels", "regression": "targets"}[card.task]
    strange = [one for one in index.classes if one not in card.classes]
    if strange:
        raise UsageError(
            f"{name} has {what} that the network does not know: {', '.join(strange[:5])}"
            f"{' and more' if len(strange) > 5 else ''}; {close_matches(strange[0], card.classes)} "
            "Rename them, or leave their pictures out."
        )
    missing = [one for one in card.classes if one not in index.classes]
    if missing and card.task == "regression":
        raise UsageError(
            f"{name} lacks targets that the network answers with: {', '.join(missing)}; add a "
            "column for each."
        )
