"""Labels: shuffled, noisy, unbalanced, missing."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.trial import Trial

_NOT_MORE_THAN_CHANCE: Final = 3.0
"""Standard errors above chance up to which a network is said not to generalise."""


def shuffled(case: Case) -> Reading:
    """Labels that say nothing of the pictures, and a network that cannot generalise from them."""
    trial = case.trials.make("data-agreement")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    deviations = trial.measured.get("val_deviations", math.nan)
    if deviations > _NOT_MORE_THAN_CHANCE:
        return Well(evidence=trial.evidence, measured=trial.measured)
    known = not math.isnan(deviations)
    return Sign(
        what="The training labels have nothing to do with the pictures.",
        evidence=trial.evidence,
        confidence=0.95 if known else 0.6,
        confirmed=known,
        measured=trial.measured,
    )


def noise(case: Case) -> Reading:
    """A share of wrong labels, where validation or the network bears it out."""
    learned = _all_learned(case)
    if learned is not None:
        return learned
    trial = case.trials.make("data-noise")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    borne_out = bool(trial.measured["borne_out"])
    share = trial.measured["share"]
    evidence = trial.evidence
    # Plain validation pictures are easier than spoiled ones, whatever the labels are.
    changed = case.trials.make("data-augmentation") if borne_out else None
    if isinstance(changed, Trial) and not changed.healthy:
        borne_out, evidence = False, f"{evidence}; but {changed.evidence}"
    return Sign(
        what=(
            f"About {share:.0%} of the training labels are wrong; "
            f"{trial.measured['suspects']:.0f} pictures are suspect."
        ),
        evidence=evidence,
        where=trial.where,
        confidence=0.9 if borne_out else 0.4,
        confirmed=borne_out,
        measured=trial.measured,
    )


def _all_learned(case: Case) -> Well | None:
    """Return that no label can be wrong in a share that counts: the network has both splits right.

    Wrong labels would lower the accuracy in training, or, where they were learned by heart, that
    in validation.
    """
    harm = case.harm
    least = 1.0 - threshold("labels/noise.share")
    if not min(harm.train_accuracy, harm.val_accuracy) >= least or math.isnan(harm.val_accuracy):
        return None
    return Well(
        evidence=f"the network is right for {harm.train_accuracy:.1%} of training and "
        f"{harm.val_accuracy:.1%} of validation pictures",
        measured={"train": harm.train_accuracy, "val": harm.val_accuracy},
    )


def normalised_perplexity(counts: Counter[int], classes: int) -> float:
    """Return exp(H) / C with H = -Σ p ln p: 1 where all C classes have the same share."""
    total = sum(counts.values())
    entropy = -sum(
        number / total * math.log(number / total) for number in counts.values() if number
    )
    return math.exp(entropy) / max(classes, 1)


def imbalance(case: Case) -> Reading:
    """Classes of very different numbers as the training sees them, and rare ones not recalled."""
    counts = Counter(
        label for row in case.record.batches if row.split == "train" for label in row.labels
    )
    if not counts:
        return Unknown(why="no labels of training batches were recorded")
    # A class that sampled batches did not show counts as well; one without any picture is
    # `labels/missing-class`.
    classes = max(len(counts), case.setting.classes or 0)
    total = sum(counts.values())
    share = normalised_perplexity(counts, classes)
    words = f"exp(H) / C = {share:.2f} of {classes} classes among {total} labels"
    measured = {"perplexity": share, "classes": float(classes), "labels": float(total)}
    even = share >= threshold("labels/imbalance.perplexity") or total < 10 * classes
    if even:
        present = case.trials.make("data-labels")
        rarest = 1.0 if isinstance(present, Unknown) else present.measured["rarest"]
        measured["rarest"] = rarest
        if rarest > threshold("labels/imbalance.rarest"):
            return Well(evidence=words, measured=measured)
        words += f"; a class has {rarest:.0%} of its share in validation"
    trial = case.trials.make("data-classes")
    if even and (isinstance(trial, Unknown) or trial.healthy):
        return Well(evidence=words, measured=measured)
    if isinstance(trial, Unknown):
        harmed, detail = False, trial.why
    else:
        harmed, detail = not trial.healthy, trial.evidence
        measured |= dict(trial.measured)
    return Sign(
        what=(
            "A class is far rarer in training than in validation, and the network misses it."
            if even
            else "The classes are far from balanced, and the network misses the rare ones."
            if harmed
            else "The classes are far from balanced."
        ),
        evidence=f"{words}; {detail}",
        where=() if isinstance(trial, Unknown) else trial.where,
        confidence=0.9 if harmed else 0.5,
        confirmed=harmed,
        measured=measured,
    )


def missing_class(case: Case) -> Reading:
    """Classes of validation that the training never shows."""
    trial = case.trials.make("data-labels")
    if isinstance(trial, Unknown):
        return trial
    absent, share = int(trial.measured["absent"]), trial.measured["share"]
    if absent:
        return Sign(
            what=f"{absent} class{'es' * (absent > 1)} of validation never occur in training.",
            evidence=trial.evidence,
            where=trial.where[:absent],
            confidence=1.0 - trial.measured["chance"],
            confirmed=True,
            measured=trial.measured,
            severity=None if share >= threshold("labels/missing-class.share") else "warning",
        )
    unused = int(trial.measured["unused"])
    if unused:
        return Sign(
            what=f"{unused} of the network's outputs stand for classes without a training picture.",
            evidence=trial.evidence,
            confidence=0.5,
            confirmed=False,
            measured=trial.measured,
            severity="note",
        )
    return Well(evidence=trial.evidence, measured=trial.measured)


def validation(case: Case) -> Reading:
    """Validation labels that mean something else than the training's."""
    trial = case.trials.make("data-validation-labels")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    mixed = bool(trial.measured["mixed"])
    return Sign(
        what=(
            "The validation labels have nothing to do with the validation pictures."
            if mixed
            else "Classes have other numbers in validation than in training."
        ),
        evidence=trial.evidence,
        where=trial.where,
        confidence=0.95,
        confirmed=True,
        measured=trial.measured,
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="labels/shuffled",
        meaning="The labels have nothing to do with the pictures.",
        tier=2,
        statistic="agreement of each label with those of the 10 nearest pictures, z against "
        "permuted labels, by simple and by untrained features; accuracy in validation",
        threshold="z < 3 by both, and validation not above chance by 3 standard errors",
        severity="error",
        remedy="Look at some pictures with their labels. Sort pictures and labels by the same "
        "rule, and shuffle them together.",
        source="hubel",
        find=shuffled,
    ),
    Symptom(
        id="labels/noise",
        meaning="A share of the training labels is wrong.",
        tier=2,
        statistic="disagreements of labels with left-out predictions in the surest quarter; "
        "suspects by confident learning",
        threshold="lower end of the interval (3 standard errors) above 3%, borne out by the "
        "validation pictures or by the network",
        severity="error",
        remedy="Look at the suspects and correct them or leave them out; until then train with "
        "label smoothing and stop early.",
        source="northcutt2021",
        find=noise,
    ),
    Symptom(
        id="labels/imbalance",
        meaning="Classes are so unequal that the network misses the rare ones.",
        tier=2,
        statistic="exp(H) / C of the labels that the training sees; recall of rare classes",
        threshold="exp(H) / C < 0.7, or a class with less than a quarter of its share in "
        "validation; and recall of rare classes below 0.7 of the others' (z > 3)",
        severity="warning",
        remedy="See whether rare classes were labelled as others. Draw them more often, or weigh "
        "the loss by class; judge by balanced accuracy.",
        source="hubel",
        find=imbalance,
    ),
    Symptom(
        id="labels/missing-class",
        meaning="Validation has a class that the training never shows.",
        tier=0,
        statistic="labels of validation that no training picture has",
        threshold="any; where not all was read, the chance of having missed it below 0.001",
        severity="error",
        remedy="Split the pictures anew, by class; see that every folder is read.",
        source="hubel",
        find=missing_class,
    ),
    Symptom(
        id="labels/validation",
        meaning="The labels of validation do not mean what the training's mean.",
        tier=2,
        statistic="confusion in validation of a simple classifier that was trained on training",
        threshold="with classes renamed right for 60% or more in place of 25% or less, over 8 "
        "pictures or more; or right by chance only, with z < 3 among validation itself",
        severity="error",
        remedy="Number the classes of both splits by one table, and keep pictures and labels of "
        "validation in the same order.",
        source="hubel",
        find=validation,
    ),
)
