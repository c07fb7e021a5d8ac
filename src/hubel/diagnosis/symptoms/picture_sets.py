"""Sets of pictures: augmentation, order, copies, numbers."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_reading import SAMPLES
from hubel.diagnosis.trials.marks import different

_PERMUTATIONS: Final = 200
_LEAST_BATCHES: Final = 4
_SEED: Final = 23


def augmentation(case: Case) -> Reading:
    """Augmentation by which a simple classifier loses, and the network learns less than one."""
    trial = case.trials.make("data-augmentation")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    # The network itself must do worse on plain pictures than a simple classifier without
    # augmentation: what only hides pixels, and helps in the end, is no fault.
    behind = trial.measured["plain"] - trial.measured["network_plain"]
    # The simple classifier that harm is judged by sees the pictures as augmented, and suffers too.
    suffers = case.harm.suffers or behind > threshold("data/augmentation.far")
    harmed = behind > threshold("data/augmentation.behind") and suffers
    return Sign(
        what="Augmentation makes pictures look like another class.",
        evidence=trial.evidence,
        confidence=0.8 if harmed else 0.3,
        confirmed=harmed,
        measured=trial.measured,
    )


def augmented_validation(case: Case) -> Reading:
    """Validation pictures that change from read to read."""
    trial = case.trials.make("data-variation")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    return Sign(
        what="Validation pictures are augmented at random.",
        evidence=trial.evidence,
        confidence=1.0,
        confirmed=True,
        measured=trial.measured,
    )


def clumping(batches: list[NDArray[np.int64]]) -> tuple[float, float]:
    """Return how much more often two labels of one batch agree than two of any.

    a = share of pairs within a batch that agree, e the same over all labels: (a - e) / (1 - e) is 0
    for labels that come by chance and 1 where each batch has a single one. And its z over
    permutations of all labels among the batches.
    """
    labels = np.concatenate(batches)
    _, numbers = np.unique(labels, return_inverse=True)
    places = np.repeat(np.arange(len(batches)), [len(one) for one in batches])
    classes = int(numbers.max()) + 1
    pairs = sum(len(one) * (len(one) - 1) for one in batches)

    def within(order: NDArray[np.int64]) -> float:
        counts = np.bincount(places * classes + order, minlength=len(batches) * classes)
        return float((counts * (counts - 1)).sum()) / pairs

    counts = np.bincount(numbers)
    among = float((counts * (counts - 1)).sum()) / (len(labels) * (len(labels) - 1))
    seen = within(numbers.astype(np.int64))
    random = np.random.default_rng(_SEED)
    null = [within(random.permutation(numbers)) for _ in range(_PERMUTATIONS)]
    z = (seen - float(np.mean(null))) / max(float(np.std(null)), 1e-9)
    return (seen - among) / max(1.0 - among, 1e-9), z


def unshuffled(case: Case) -> Reading:
    """Batches whose labels come sorted."""
    batches = [
        np.asarray(row.labels, np.int64)
        for row in case.record.batches
        if row.split == "train" and len(row.labels) > 1
    ]
    if len(batches) < _LEAST_BATCHES:
        return Unknown(why=f"the labels of fewer than {_LEAST_BATCHES} batches were recorded")
    if len(np.unique(np.concatenate(batches))) < 2:
        return _single(case, len(batches))
    sorted_, z = clumping(batches)
    measured = {"sorted": sorted_, "z": z, "batches": float(len(batches))}
    says = {True: "shuffles", False: "does not shuffle", None: "may shuffle or not"}
    words = (
        f"labels of one batch agree {sorted_:.0%} of the way from chance to a single label, "
        f"z = {z:.1f} over {len(batches)} batches; the loader {says[case.setting.shuffled]}"
    )
    if z < threshold("data/unshuffled.z") or sorted_ < threshold("data/unshuffled.clumped"):
        return Well(evidence=words, measured=measured)
    wholly = sorted_ >= threshold("data/unshuffled.sorted")
    confirmed = (wholly and case.setting.shuffled is not True) or case.harm.suffers
    return Sign(
        what="The training pictures come sorted by label.",
        evidence=words,
        confidence=0.95 if wholly and confirmed else 0.7 if confirmed else 0.4,
        confirmed=confirmed,
        measured=measured,
    )


def _single(case: Case, number: int) -> Reading:
    """Judge batches that all have one and the same label."""
    classes = case.setting.classes or 0
    words = f"all of {number} sampled batches have one and the same label; {classes} classes"
    if classes < 2:
        return Unknown(why="the sampled batches have a single label, and no other is known of")
    confirmed = case.setting.shuffled is not True or case.harm.suffers
    return Sign(
        what="The training pictures come sorted by label.",
        evidence=words,
        confidence=0.9 if confirmed else 0.4,
        confirmed=confirmed,
        measured={"sorted": 1.0, "batches": float(number)},
    )


def leakage(case: Case) -> Reading:
    """Validation pictures that stand in training, verified on pixels."""
    trial = case.trials.make("data-copies")
    if isinstance(trial, Unknown):
        return trial
    number = int(trial.measured["found"])
    if not number:
        return Well(evidence=trial.evidence, measured=trial.measured)
    return Sign(
        what=(
            f"{number} validation picture{'s' * (number > 1)} "
            f"stand{'s' * (number == 1)} in the training pictures."
        ),
        evidence=trial.evidence,
        where=trial.where,
        confidence=0.5 if trial.healthy else 0.97,
        confirmed=not trial.healthy,
        measured=trial.measured,
        severity="note" if trial.healthy else None,
    )


def _different(case: Case) -> float:
    """Return the share of the training pictures that no other equals, where there is a gap."""
    harm = case.harm
    gap = harm.train_accuracy - harm.val_accuracy
    if case.subject is None or not gap >= threshold("data/too-few.gap"):
        return 1.0
    samples = case.subject.samples("train", SAMPLES)
    return len(different(samples.inputs)) / len(samples) if samples else 1.0


def too_few(case: Case) -> Reading:
    """Few pictures a class, a gap, and a simple classifier that gains by more of them."""
    classes = case.setting.classes or case.setting.outputs
    if case.setting.pictures is None or not classes:
        return Unknown(why="the number of training pictures or of classes is not known")
    new = _different(case)
    each = new * case.setting.pictures / classes
    words = f"{each:.0f} {'different ' * (new < 1)}training pictures a class"
    if each >= threshold("data/too-few.a-class"):
        return Well(evidence=words, measured={"each": each})
    validated = [row for row in case.record.evaluations if (row.split, row.mode) == ("val", "eval")]
    harm = case.harm
    if math.isnan(harm.train_accuracy) or not validated or math.isnan(harm.val_accuracy):
        return Unknown(why=f"{words}, but accuracy in training or validation is not known")
    gap = harm.train_accuracy - harm.val_accuracy
    share = harm.val_accuracy
    error = math.sqrt(max(share * (1 - share), 1e-4) / max(validated[-1].pictures, 1))
    words += f"; accuracy {harm.train_accuracy:.1%} in training and {share:.1%} in validation"
    measured = {"each": each, "gap": gap, "error": error}
    if gap < max(threshold("data/too-few.gap"), 3 * error):
        return Well(evidence=words, measured=measured)
    trial = case.trials.make("data-curve")
    shown = not isinstance(trial, Unknown) and not trial.healthy
    detail = trial.why if isinstance(trial, Unknown) else trial.evidence
    if not isinstance(trial, Unknown):
        measured |= dict(trial.measured)
    return Sign(
        what="There are too few training pictures for this network.",
        evidence=f"{words}; {detail}",
        confidence=0.8 if shown else 0.4,
        confirmed=shown,
        measured=measured,
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="data/augmentation",
        meaning="Augmentation destroys what the labels stand for.",
        tier=2,
        statistic="accuracy of a simple classifier on plain pictures, trained on plain and on "
        "augmented ones; the network's on plain ones",
        threshold="a fall of 10 points (3 standard errors), the network 5 points behind the "
        "simple classifier, and the training suffers",
        severity="error",
        remedy="Leave out what makes one class look like another: large turns, mirroring of "
        "signs, crops that miss the object.",
        source="hubel",
        find=augmentation,
    ),
    Symptom(
        id="data/augmented-validation",
        meaning="Validation pictures are augmented at random.",
        tier=2,
        statistic="change of validation pictures from one reading to the next",
        threshold="more than 5% of the pictures change by more than 5% of the standard deviation",
        severity="warning",
        remedy="Give the validation data transforms of their own, without random ones.",
        source="hubel",
        find=augmented_validation,
    ),
    Symptom(
        id="data/unshuffled",
        meaning="The training pictures come sorted by label.",
        tier=1,
        statistic="agreement of labels within batches, from 0 (chance) to 1 (one label), and its "
        "z over permuted labels",
        threshold="0.5 where the loader is not known to shuffle, or 0.15 where the training "
        "suffers; z ≥ 5",
        severity="error",
        remedy="Shuffle the training pictures anew in each pass.",
        source="hubel",
        find=unshuffled,
    ),
    Symptom(
        id="data/leakage",
        meaning="Validation pictures stand in the training data too.",
        tier=2,
        statistic="share of validation pictures with an exact or near copy in training, verified "
        "on pixels",
        threshold="1% of validation, 3 pictures at least",
        severity="error",
        remedy="Keep copies on one side of the split, and split before pictures are multiplied.",
        source="zauner2010",
        find=leakage,
    ),
    Symptom(
        id="data/too-few",
        meaning="There are too few training pictures for this network.",
        tier=2,
        statistic="different training pictures a class; accuracy in training less validation; "
        "gain of a simple classifier by twice the pictures",
        threshold="below 100 a class, a gap of 10 points (3 standard errors), and a gain of 2 "
        "points (z ≥ 3)",
        severity="warning",
        remedy="Collect more pictures; until then augment, or start from pretrained weights.",
        source="hubel",
        find=too_few,
    ),
)
