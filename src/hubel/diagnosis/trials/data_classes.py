"""How the network does by class, and whether more pictures would help."""

from __future__ import annotations

from typing import Final

import numpy as np

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_reading import SAMPLES, Labelled, predictions_of, together
from hubel.diagnosis.trials.data_regression import regress
from hubel.diagnosis.trials.data_remembered import remembering
from hubel.diagnosis.trials.data_shift import mcnemar
from hubel.diagnosis.trials.marks import different
from hubel.diagnosis.trials.trial import Trial

_COUNTED: Final = 10
"""Validation pictures from which on a class's share is compared."""
_RARE: Final = 0.5
"""A class is rare with less than this share of what it would have if all had the same."""
LEAST: Final = 60
LEAST_DIFFERENT: Final = 20
"""Training pictures of which half still say something."""


def rare_classes_are_recalled(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Compare the network's recall of rare classes with that of the others."""
    known = remembering(subject)
    train, val = known.labelled(setting, "train"), known.labelled(setting, "val")
    if isinstance(train, Unknown):
        return train
    classes, counts = np.unique(train.labels, return_counts=True)
    rare = classes[counts < _RARE * len(train) / len(classes)]
    shown = val if isinstance(val, Labelled) else train
    is_rare = np.isin(shown.labels, rare)
    is_known = np.isin(shown.labels, classes)
    if int(is_rare.sum()) < 5 or int((is_known & ~is_rare).sum()) < 5:
        return Unknown(why="fewer than 5 pictures of rare or of frequent classes are at hand")
    right = predictions_of(setting, subject.network(), shown.inputs) == shown.labels
    low, high = float(right[is_rare].mean()), float(right[is_known & ~is_rare].mean())
    numbers = int(is_rare.sum()), int((is_known & ~is_rare).sum())
    pooled = (low * numbers[0] + high * numbers[1]) / sum(numbers)
    error = np.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / numbers[0] + 1 / numbers[1]))
    z = float((high - low) / error)
    harmed = z > 3.0 and low < threshold("labels/imbalance.recall") * high
    return Trial(
        name="data-classes",
        healthy=not harmed,
        evidence=(
            f"recall {low:.1%} over {numbers[0]} pictures of {len(rare)} rare classes, {high:.1%} "
            "of the others"
        ),
        measured={"rare": low, "others": high, "z": z, "pictures": float(numbers[0])},
        where=tuple(f"class {int(one)}" for one in rare[:100]),
    )


def pictures_are_enough(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train a simple classifier on half of the training pictures and on all; compare validation.

    Pictures that are equal count as one. Measured: gain, z, whole, and different, the share of the
    training pictures that is left.
    The gain is tested by McNemar's z over validation pictures, for both halves together.
    """
    seen = remembering(subject)
    train, val = seen.labelled(setting, "train"), seen.labelled(setting, "val")
    if isinstance(train, Unknown):
        return train
    if isinstance(val, Unknown):
        return val
    places = different(train.inputs).numpy()
    if len(places) < LEAST_DIFFERENT or len(val) < LEAST:
        return Unknown(
            why=f"fewer than {LEAST_DIFFERENT} training or {LEAST} validation pictures are at hand"
        )
    classes, (mine, theirs) = together(train.labels, val.labels)
    features, shown = seen.features("train", train), seen.features("val", train, val)
    if len(places) < len(train):
        features, mine = features[places], mine[places]
        whole = regress(features, mine, classes)(shown).argmax(1) == theirs
    else:
        whole = seen.regression(train, val)(shown).argmax(1) == theirs
    gains: list[tuple[float, float]] = []
    for first in (0, 1):
        half = regress(features[first::2], mine[first::2], classes)(shown).argmax(1) == theirs
        gains.append(mcnemar(half, whole))
    gain, z = (float(np.mean([one[place] for one in gains])) for place in (0, 1))
    enough = gain < threshold("data/too-few.gain") or z < 3.0
    return Trial(
        name="data-curve",
        healthy=enough,
        evidence=(
            f"twice the pictures bring a simple classifier from {float(whole.mean()) - gain:.1%} "
            f"to {float(whole.mean()):.1%}"
        ),
        measured={
            "gain": gain,
            "z": z,
            "whole": float(whole.mean()),
            "different": len(places) / len(train),
        },
    )


def classes_are_present(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Compare the labels of training with those of validation, and with the network's outputs.

    A class of validation that makes up a share p of it, and is not among n training pictures, was
    only missed in reading with probability (1 - p)^n; 0 where all of training was read. Measured
    too: rarest, the least share of a class in training over its share in validation.
    """
    known = remembering(subject)
    train, val = known.labelled(setting, "train"), known.labelled(setting, "val")
    if isinstance(train, Unknown):
        return train
    seen = np.unique(train.labels)
    whole = len(train) < SAMPLES or len(train) == setting.pictures
    absent: list[int] = []
    chance, pictures, rarest = 0.0, 0, 1.0
    if isinstance(val, Labelled):
        names, counts = np.unique(val.labels, return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            if name in seen:
                share = float((train.labels == name).mean()) * len(val) / count
                rarest = min(rarest, share) if count >= _COUNTED else rarest
                continue
            missed = 0.0 if whole else (1 - count / len(val)) ** len(train)
            if missed < threshold("labels/missing-class.chance"):
                absent.append(name)
                pictures += count
                chance = max(chance, missed)
    width = setting.outputs if setting.outputs is not None and setting.outputs > 1 else 0
    unused = sorted(set(range(width)) - set(seen.tolist())) if whole else []
    every = np.concatenate([train.labels, val.labels]) if isinstance(val, Labelled) else seen
    beyond = np.unique(every[(every < 0) | (every >= width)]).tolist() if width else []
    number = len(val) if isinstance(val, Labelled) else 0
    return Trial(
        name="data-labels",
        healthy=not absent and not beyond,
        evidence=(
            f"{len(seen)} classes among {len(train)} training pictures; {len(absent)} more among "
            f"{number} validation pictures ({pictures} of them); {width or 'unknown'} outputs"
        ),
        measured={
            "absent": float(len(absent)),
            "pictures": float(pictures),
            "chance": chance,
            "share": pictures / number if number else 0.0,
            "unused": float(len(unused)),
            "rarest": rarest,
            "beyond": float(len(beyond)),
            "width": float(width),
        },
        where=tuple(f"class {one}" for one in [*absent, *beyond][:100]),
    )
