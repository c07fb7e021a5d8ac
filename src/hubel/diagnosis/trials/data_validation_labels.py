"""Whether the labels of validation mean what the labels of training mean."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_agreement import LEAST, agreement
from hubel.diagnosis.trials.data_reading import Labelled, together
from hubel.diagnosis.trials.data_remembered import Remembering, remembering
from hubel.diagnosis.trials.trial import Trial

_A_CLASS: Final = 4
"""Validation pictures that a class must have to be called exchanged."""


def exchanged(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.int64], float, float, int]:
    """Return the renaming of predictions that fits the labels best, and what it does.

    The renaming π maximises Σ [π(ŷ_i) = y_i]. Then, over the pictures whose label or prediction π
    moves: the share that is right under π, the share that is right without it, and their number.
    """
    table = np.zeros((classes, classes))
    np.add.at(table, (predicted, labels), 1.0)
    table += 1e-3 * np.eye(classes)
    rename = np.asarray(linear_sum_assignment(table, maximize=True)[1])
    seen = np.bincount(labels, minlength=classes)
    moved = (rename != np.arange(classes)) & (seen >= _A_CLASS)
    touched = moved[labels]
    number = int(touched.sum())
    if not number:
        return rename, 0.0, 0.0, 0
    after = float((rename[predicted] == labels)[touched].mean())
    before = float((predicted == labels)[touched].mean())
    return rename, after, before, number


def _by_network(
    predicted: NDArray[np.int64],
    names: NDArray[np.int64],
    labels: NDArray[np.int64],
    rename: NDArray[np.int64],
) -> tuple[float, float]:
    """Return the share that the network gets right with classes renamed, and without."""
    known = np.isin(predicted, names)
    if not known.any():
        return 0.0, 0.0
    told = np.searchsorted(names, np.where(known, predicted, names[0]))
    return float((rename[told] == labels)[known].mean()), float((told == labels)[known].mean())


def recalled(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return the least recall of classes with _A_CLASS pictures or more; 0 where they are few.

    Few: fewer than two such classes, or less than half of the pictures.
    """
    names, numbers = np.unique(labels, return_counts=True)
    names = names[numbers >= _A_CLASS]
    if len(names) < 2 or 2 * int(np.isin(labels, names).sum()) < len(labels):
        return 0.0
    return min(float((predicted[labels == name] == name).mean()) for name in names)


def validation_labels_fit(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train a simple classifier on training pictures, and see what it confuses in validation.

    Exchanged: a renaming of classes makes far more of its predictions right. Mixed up: it is right
    no more often than chance, and validation's labels do not agree with their own neighbours.
    Neither can be where the network, which knows the training's labels alone, recalls each class of
    validation in most of its pictures; then no classifier is trained.
    """
    seen = remembering(subject)
    train, val = seen.labelled(setting, "train"), seen.labelled(setting, "val")
    if isinstance(train, Unknown):
        return train
    if isinstance(val, Unknown):
        return val
    if len(train) < LEAST or len(val) < LEAST // 2:
        return Unknown(why=f"fewer than {LEAST} training or {LEAST // 2} validation pictures")
    network = seen.predictions(setting, val)
    least = recalled(network, val.labels)
    if least > threshold("labels/validation.recall"):
        return Trial(
            name="data-validation-labels",
            healthy=True,
            evidence=f"the network is right for {least:.1%} of validation or more in every class",
            measured={"recall": least},
        )
    return _by_classifier(seen, train, val, network)


def _by_classifier(
    seen: Remembering, train: Labelled, val: Labelled, network: NDArray[np.int64]
) -> Trial:
    """Judge by a simple classifier of the training's pictures."""
    classes, (mine, theirs) = together(train.labels, val.labels)
    regression, features = seen.regression(train, val), seen.features("val", train, val)
    inside = float((regression.left_out.argmax(1) == mine).mean())
    predicted = regression(features).argmax(1).astype(np.int64)
    outside = float((predicted == theirs).mean())
    rename, after, before, number = exchanged(theirs, predicted, classes)
    names = np.unique(np.concatenate([train.labels, val.labels]))
    by_network, plain = _by_network(network, names, theirs, rename)
    z = agreement(features, theirs)[1] if len(np.unique(theirs)) > 1 else np.inf
    exchange = (
        number >= threshold("labels/validation.pictures")
        and after >= threshold("labels/validation.after")
        and before <= threshold("labels/validation.before")
    )
    mixed = _mixed(inside, outside, z, theirs)
    moved = [n for n in range(classes) if rename[n] != n] if exchange else []
    words = (
        f"a simple classifier is right for {inside:.1%} of left-out training and {outside:.1%} of "
        f"validation pictures; with classes renamed {after:.1%} in place of {before:.1%} of the "
        f"{number} pictures of these classes; the network {by_network:.1%} in place of {plain:.1%}"
    )
    return Trial(
        name="data-validation-labels",
        healthy=not (exchange or mixed),
        evidence=words if number else words.partition("; with")[0],
        measured={
            "inside": inside,
            "outside": outside,
            "after": after,
            "before": before,
            "pictures": float(number),
            "z": float(z),
            "mixed": float(mixed),
            "network_after": by_network,
            "network_before": plain,
        },
        where=tuple(f"{names[n]} -> {names[rename[n]]}" for n in moved),
    )


def _mixed(inside: float, outside: float, z: float, labels: NDArray[np.int64]) -> bool:
    """Return whether labels of validation say nothing, though those of training say much."""
    chance = float(np.max(np.bincount(labels))) / len(labels)
    error = np.sqrt(chance * (1 - chance) / len(labels))
    return bool(
        z < threshold("labels/shuffled.z")
        and outside < chance + 3 * error
        and inside > chance + 10 * error
        and inside >= threshold("labels/validation.after")
    )
