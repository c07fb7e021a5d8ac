"""What changes from one reading of a picture to the next: augmentation."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Rereading, Samples, Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_features import described, projection
from hubel.diagnosis.trials.data_reading import predictions_of, together
from hubel.diagnosis.trials.data_regression import regress
from hubel.diagnosis.trials.data_remembered import remembering
from hubel.diagnosis.trials.trial import Trial

SAMPLES: Final = 64
"""Validation pictures that are read twice."""
LEAST: Final = 100


def validation_stays(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Read validation pictures twice, and compare them pixel by pixel.

    A picture has changed where the root mean square of the difference is above a share of the
    standard deviation of the pictures.
    """
    del setting
    first = subject.samples("val", SAMPLES)
    if first is None or not len(first):
        return Unknown(why="the validation pictures are not at hand")
    second = subject.reread("val", first.keys) if isinstance(subject, Rereading) else None
    known = second is not None
    if second is None:
        second = subject.samples("val", SAMPLES)
    if second is None or second.inputs.shape != first.inputs.shape:
        return Unknown(why="the validation pictures could not be read a second time")
    moved = _moved(first, second)
    share = float((moved > threshold("data/augmented-validation.difference")).mean())
    if not known and share == 0.0:
        return Unknown(why="whether validation pictures are read anew each time is not known")
    return Trial(
        name="data-variation",
        healthy=share <= threshold("data/augmented-validation.share"),
        evidence=f"{share:.0%} of {len(first)} validation pictures changed from read to read",
        measured={"share": share, "pictures": float(len(first))},
    )


def _moved(first: Samples, second: Samples) -> np.ndarray:
    one, two = (torch.nan_to_num(part.inputs.double().cpu()) for part in (first, second))
    spread = max(float(one.std()), 1e-12)
    return ((one - two).flatten(1).square().mean(1).sqrt() / spread).numpy()


def augmentation_keeps_labels(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Train a simple classifier on training pictures as augmented, and on as many plain ones.

    Both say what validation pictures show: the plain ones each picture by the others. The network
    says of both what it has learned.
    """
    seen = remembering(subject)
    train = seen.labelled(setting, "train")
    if isinstance(train, Unknown):
        return train
    if not train.samples.augmented:
        return Unknown(why="the training pictures are at hand only without augmentation")
    val = seen.labelled(setting, "val")
    if isinstance(val, Unknown):
        return val
    number = min(len(train), len(val))
    if number < LEAST:
        return Unknown(why=f"fewer than {LEAST} training or validation pictures are at hand")
    # Spread over each split: pictures may come sorted by label.
    one, two = (np.linspace(0, len(part) - 1, number).astype(int) for part in (train, val))
    inputs, kept = train.inputs[one.tolist()], train.labels[one]
    plain, theirs = val.inputs[two.tolist()], val.labels[two]
    classes, (mine, others) = together(kept, theirs)
    raw = described(plain)
    basis = projection(raw)
    shown, changed = basis(raw), basis(described(inputs))
    alone = float((regress(shown, others, classes).left_out.argmax(1) == others).mean())
    changing = regress(changed, mine, classes)
    augmented = float((changing(shown).argmax(1) == others).mean())
    among = float((changing.left_out.argmax(1) == mine).mean())
    fits = float((predictions_of(setting, subject.network(), inputs) == kept).mean())
    reaches = float((seen.predictions(setting, val)[two] == theirs).mean())
    error = math.sqrt(max(alone * (1 - alone), 0.01) * 2 / number)
    fall = alone - max(augmented, among)
    return Trial(
        name="data-augmentation",
        healthy=fall <= max(threshold("data/augmentation.fall"), 3 * error),
        evidence=(
            f"a simple classifier is right for {alone:.1%} of plain pictures, for {augmented:.1%} "
            f"after training on augmented ones, and for {among:.1%} of augmented ones; the network "
            f"for {reaches:.1%} of plain and {fits:.1%} of augmented ones"
        ),
        measured={
            "plain": alone,
            "augmented": augmented,
            "among": among,
            "fall": fall,
            "network_plain": reaches,
            "network_augmented": fits,
        },
    )
