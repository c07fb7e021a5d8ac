"""Whether labels have anything to do with the pictures: agreement of neighbours."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_features import projection
from hubel.diagnosis.trials.data_reading import Labelled, network_features
from hubel.diagnosis.trials.data_remembered import Remembering, remembering
from hubel.diagnosis.trials.trial import Trial

NEIGHBOURS: Final = 10
PERMUTATIONS: Final = 200
LEAST: Final = 60
"""Pictures below which nothing is said."""
GENERALISES: Final = 3.0
"""Standard errors above chance from which on a network is said to generalise."""
_SEED: Final = 41


def agreement(features: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return how many of a picture's nearest neighbours have its label, and by how much that is
    more than chance.

    With N(i) the k nearest others of picture i, a = mean over i, j ∈ N(i) of [y_i = y_j];
    z = (a - μ) / σ with the mean and the deviation of a over permutations of the labels.
    """
    squares = (features**2).sum(1)
    distances = squares[:, None] + squares[None] - 2.0 * features @ features.T
    np.fill_diagonal(distances, np.inf)
    many = min(NEIGHBOURS, len(labels) - 1)
    nearest = np.argpartition(distances, many - 1, axis=1)[:, :many]
    seen = float(np.mean(labels[nearest] == labels[:, None]))
    random = np.random.default_rng(_SEED)
    null: list[float] = []
    for _ in range(PERMUTATIONS):
        mixed = random.permutation(labels)
        null.append(float(np.mean(mixed[nearest] == mixed[:, None])))
    return seen, (seen - float(np.mean(null))) / max(float(np.std(null)), 1e-9)


def labels_agree(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Compare each picture's label with its neighbours', by simple and by a network's features.

    A network that generalises, its accuracy in validation far above chance, has found in the labels
    what it could: then nothing else is looked at. Else neighbours are compared by simple features,
    and by those of the network of before the training: it cannot have learned labels by heart.
    """
    seen = remembering(subject)
    train, val = seen.labelled(setting, "train"), seen.labelled(setting, "val")
    if isinstance(train, Unknown):
        return train
    if len(train) < LEAST or len(np.unique(train.labels)) < 2:
        return Unknown(why=f"fewer than {LEAST} training pictures, or a single class among them")
    measured: dict[str, float] = {"pictures": float(len(train))}
    said = ""
    if isinstance(val, Labelled) and len(val) >= LEAST // 2:
        said = _in_validation(seen.predictions(setting, val) == val.labels, val, measured)
        if measured["val_deviations"] > GENERALISES:
            return Trial(name="data-agreement", healthy=True, evidence=said, measured=measured)
    share, z = agreement(seen.features("train", train), train.labels)
    measured |= {"agreement": share, "z": z}
    words = f"neighbours share a label in {share:.1%}, z = {z:.1f} against permuted labels"
    by_fresh = _by_fresh(seen, train)
    if by_fresh is not None:
        measured["fresh_z"] = by_fresh
        words += f"; by features of the untrained network z = {by_fresh:.1f}"
    return Trial(
        name="data-agreement",
        healthy=max(z, measured.get("fresh_z", z)) >= threshold("labels/shuffled.z"),
        evidence="; ".join(filter(None, (words, said))) + f" ({len(train)} pictures)",
        measured=measured,
    )


def _in_validation(right: NDArray[np.bool_], val: Labelled, measured: dict[str, float]) -> str:
    """Measure by how many standard errors the network is above chance, and say it."""
    chance = float(np.unique(val.labels, return_counts=True)[1].max()) / len(val)
    error = math.sqrt(max(chance * (1 - chance), 1e-9) / len(val))
    measured["val_accuracy"] = float(right.mean())
    measured["val_deviations"] = (float(right.mean()) - chance) / error
    return f"the network is right for {right.mean():.1%} of validation, chance {chance:.1%}"


def _by_fresh(seen: Remembering, train: Labelled) -> float | None:
    """Return the agreement's z by features of the network of before the training."""
    fresh = seen.fresh()
    features = None if fresh is None else network_features(fresh, train.inputs)
    if features is None:
        return None
    return agreement(projection(features)(features), train.labels)[1]
