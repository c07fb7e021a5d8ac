"""Pictures: range, normalisation, order of channels and pixels, numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import BatchRow
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.symptoms import picture_sets
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_reading import SAMPLES
from hubel.diagnosis.trials.trial import Trial

_NORMALISING: Final = ("BatchNorm", "InstanceNorm", "LayerNorm", "GroupNorm", "RMSNorm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What the inputs of training are, over all sampled batches."""

    low: float
    high: float
    mean: float
    std: float

    @property
    def words(self) -> str:
        """The numbers, for people."""
        return (
            f"inputs from {self.low:.4g} to {self.high:.4g}, mean {self.mean:.3g}, "
            f"standard deviation {self.std:.3g}"
        )

    @property
    def measured(self) -> dict[str, float]:
        """The numbers, by name."""
        return {"low": self.low, "high": self.high, "mean": self.mean, "std": self.std}


def values_of(rows: Sequence[BatchRow]) -> Values | None:
    """Return the range and the moments of the training's inputs; None where nothing is known."""
    known = [
        row
        for row in rows
        if row.split == "train" and row.finite and row.std and row.high > row.low
    ]
    if not known:
        return None
    means = [sum(row.mean) / len(row.mean) for row in known]
    mean = sum(means) / len(means)
    # The variance over all channels and batches: within each, and of their means.
    within = sum(sum(one**2 for one in row.std) / len(row.std) for row in known) / len(known)
    return Values(
        low=min(row.low for row in known),
        high=max(row.high for row in known),
        mean=mean,
        std=math.sqrt(within),
    )


def normalised_twice(values: Values) -> bool:
    """Return whether range and moments both say that (x - m) / s was done twice.

    From values 0 to 1, twice gives a width of 1/s² and a low end of -m (1 + s) / s². What these say
    of m and s must fit the moments: data of mean m and standard deviation s have -m/s and 1/s
    after the second time. Or the values were divided by 255 twice: next to nothing is left.
    """
    if values.std < threshold("data/double-normalised.small"):
        return True
    width = values.high - values.low
    s = width**-0.5
    m = -values.low * s * s / (1 + s)
    if not (0.1 <= s <= 0.6 and 0.05 <= m <= 0.7):
        return False
    agreement = threshold("data/double-normalised.agreement")
    usual = abs(m - 0.5) < 0.02 and abs(s - 0.5) < 0.02
    fits = abs(values.std * s - 1) < agreement and abs(values.mean * s + m) < agreement * m
    return usual or fits


def _scale(case: Case, values: Values, what: str) -> Reading:
    """Confirm a suspicious scale by training two copies for a few steps."""
    first = next((one.kind for one in case.setting.modules if one.called), "")
    if first.startswith(_NORMALISING):
        return Well(
            evidence=f"{values.words}; the network starts with {first}, which takes scale away",
            measured=values.measured,
        )
    trial = case.trials.make("data-scale")
    if isinstance(trial, Unknown):
        harm = case.harm
        harmed, detail, measured = harm.suffers, harm.evidence, dict[str, float]()
    else:
        harmed, detail, measured = not trial.healthy, trial.evidence, dict(trial.measured)
        if not harmed and measured["gain"] > threshold("data/range.gain") / 2 and case.harm.suffers:
            harmed, detail = True, f"{detail}; {case.harm.evidence}"
        elif not harmed and case.harm.suffers:
            later = case.trials.make("data-scale-later")
            if isinstance(later, Trial) and not later.healthy:
                harmed, detail, measured = True, later.evidence, dict(later.measured)
    return Sign(
        what=what,
        evidence=f"{values.words}; {detail}",
        confidence=0.9 if harmed else 0.4,
        confirmed=harmed,
        measured=values.measured | measured,
    )


def value_range(case: Case) -> Reading:
    """Inputs far from standardised ones, where it costs the training."""
    values = values_of(case.record.batches)
    if values is None:
        return Unknown(why="no batches of training were recorded")
    blank = _blank(case, "train")
    if blank > threshold("data/range.blank"):
        elsewhere = _blank(case, "val")
        suffers = case.harm.suffers or elsewhere < threshold("data/range.blank") / 4
        return Sign(
            what=f"{blank:.0%} of the training pictures are blank: all pixels have the same value.",
            evidence=f"{values.words}; {elsewhere:.0%} of the validation pictures are blank; "
            f"{case.harm.evidence}",
            confidence=0.95 if suffers else 0.4,
            confirmed=suffers,
            measured=values.measured | {"blank": blank},
            remedy="Look at some pictures as the network gets them: whole numbers that are divided "
            "without a remainder become 0, and so do files that cannot be read.",
        )
    far = abs(values.mean) > threshold("data/range.mean") or values.std > threshold(
        "data/range.std"
    )
    if not far or normalised_twice(values):
        return Well(evidence=values.words, measured=values.measured)
    raw = values.low >= 0 and 100 < values.high <= 255
    return _scale(
        case,
        values,
        "The pictures come as raw values from 0 to 255."
        if raw
        else "The pictures come in a range far from the usual.",
    )


def _blank(case: Case, split: Literal["train", "val"]) -> float:
    """Return the share of pictures whose channels have one value each; NaN if unknown."""
    samples = case.subject.samples(split, SAMPLES) if case.subject is not None else None
    if samples is None or not len(samples):
        return math.nan
    low, high = samples.inputs.flatten(min(2, samples.inputs.ndim - 1)).aminmax(dim=-1)
    return float((low == high).flatten(1).all(1).double().mean())


def double_normalised(case: Case) -> Reading:
    """Inputs that look as if they had been normalised twice, where it costs the training."""
    values = values_of(case.record.batches)
    if values is None:
        return Unknown(why="no batches of training were recorded")
    if not normalised_twice(values):
        return Well(evidence=values.words, measured=values.measured)
    return _scale(case, values, "The pictures seem to be normalised twice.")


def validation_mismatch(case: Case) -> Reading:
    """Validation made otherwise than training, where the network reads it better if mended."""
    if not case.setting.has_validation and case.subject is None:
        return Unknown(why="there is no validation")
    trial = case.trials.make("data-shift")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    proven = bool(trial.measured["proven"])
    lost = None if proven else _lost_in_validation(case, trial)
    what = "Validation pictures are normalised otherwise than the training's."
    if proven and trial.measured["channels"]:
        what = "The channels of validation pictures stand in another order than the training's."
    elif proven and trial.measured["inverted"]:
        what = "Bright and dark are exchanged between validation pictures and the training's."
    return Sign(
        what=what,
        evidence=trial.evidence if lost is None else f"{trial.evidence}; {lost}",
        where=trial.where,
        confidence=0.95 if proven else 0.8 if lost else 0.4,
        confirmed=proven or lost is not None,
        measured=trial.measured,
    )


def _lost_in_validation(case: Case, trial: Trial) -> str | None:
    """Return how the network fails on validation alone, where that is made far otherwise.

    It must know the training pictures, in evaluation mode and as they are, and the training must
    suffer: else the difference of the splits has done nothing that is seen.
    """
    if not trial.measured["far"] or not case.harm.suffers:
        return None
    held = case.trials.make("held-out")
    if isinstance(held, Unknown) or "val_accuracy" not in held.measured:
        return None
    gap = held.measured["train_accuracy"] - held.measured["val_accuracy"]
    error = math.hypot(held.measured["train_error"], held.measured["val_error"])
    if not gap > threshold("data/validation-mismatch.gap") + 3 * error:
        return None
    return held.evidence


def layout(case: Case) -> Reading:
    """Pixels that are not where a picture has them."""
    trial = case.trials.make("data-layout")
    if isinstance(trial, Unknown):
        return trial
    if trial.healthy:
        return Well(evidence=trial.evidence, measured=trial.measured)
    viewed = bool(trial.measured.get("viewed", 0.0))
    shifted = bool(trial.measured.get("shifted", 0.0))
    proven = viewed or shifted
    confirmed, evidence = proven or case.harm.suffers, trial.evidence
    changed = case.trials.make("data-augmentation") if confirmed and not proven else None
    if isinstance(changed, Trial) and not changed.healthy:
        confirmed, evidence = False, f"{evidence}; but {changed.evidence}"
    return Sign(
        what=(
            "Pictures of (height, width, channels) were viewed as (channels, height, width)."
            if viewed
            else "The rows of the pictures are shifted against each other, as rows that are read "
            "with a wrong length are."
            if shifted
            else "The inputs do not look like pictures: neighbouring pixels have little in common."
        ),
        evidence=evidence,
        confidence=0.99 if proven else 0.7 if confirmed else 0.3,
        confirmed=confirmed,
        measured=trial.measured,
    )


def non_finite(case: Case) -> Reading:
    """Pixels that are no finite numbers: certain."""
    rows = [row for row in case.record.batches if not row.finite]
    trial = case.trials.make("data-finite")
    if isinstance(trial, Unknown):
        if not rows:
            if case.record.batches:
                return Well(evidence=f"{len(case.record.batches)} sampled batches are finite")
            return trial
        words, where = "", ()
    else:
        words, where = trial.evidence, trial.where
        if trial.healthy and not rows:
            return Well(evidence=words, measured=trial.measured)
    seen = f"{len(rows)} of {len(case.record.batches)} sampled batches are not finite"
    return Sign(
        what="Some pictures have pixels that are not finite numbers.",
        evidence=f"{words}; {seen}" if words else seen,
        where=where,
        confidence=1.0,
        confirmed=True,
        measured={"batches": float(len(rows)), "pictures": float(len(where))},
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="data/range",
        meaning="The values of the inputs are so large, or so often the same, that training "
        "suffers.",
        tier=2,
        statistic="mean and standard deviation of the inputs; held-out loss after 40 steps of a "
        "fresh copy, with and without standardisation",
        threshold="|mean| or standard deviation above 5, and standardisation takes away 10% of "
        "the loss (z > 3), or 5% where the training suffers; or a fifth of the pictures blank "
        "where it suffers, or where a twentieth of those of validation are",
        severity="error",
        remedy="Scale the pictures to mean 0 and standard deviation 1, or divide them by 255.",
        source="hubel",
        find=value_range,
    ),
    Symptom(
        id="data/double-normalised",
        meaning="The pictures are normalised twice, and training suffers.",
        tier=2,
        statistic="mean and deviation of one normalisation, as range and moments each say; "
        "held-out loss after 40 steps of a fresh copy, with and without standardisation",
        threshold="both within 25% of each other, or a standard deviation below 0.02; and "
        "standardisation takes away 10% of the loss (z > 3), or 5% where the training suffers",
        severity="error",
        remedy="Normalise once: see whether dataset and loop, or two transforms, both do it.",
        source="hubel",
        find=double_normalised,
    ),
    Symptom(
        id="data/validation-mismatch",
        meaning="Validation pictures are prepared otherwise than training pictures.",
        tier=2,
        statistic="mean and standard deviation a channel of both splits; the network's gain in "
        "validation with the training's statistics, inverted or with the channels turned round",
        threshold="a gain of at least 2 points of accuracy with McNemar's z ≥ 3; or means half a "
        "deviation apart (deviations 1.5 times) and 20 points less than in training",
        severity="error",
        remedy="Use one preprocessing for both splits: the same scaling, statistics and order of "
        "channels.",
        source="hubel",
        find=validation_mismatch,
    ),
    Symptom(
        id="data/layout",
        meaning="The pixels are not where a picture has them.",
        tier=2,
        statistic="correlation of neighbouring pixels, as they stand and with the memory read as "
        "(height, width, channels)",
        threshold="the other reading gains 0.1; or below 0.1 down, and above 0.2 with rows shifted "
        "to fit each other; or below 0.2 both ways, and training suffers",
        severity="error",
        remedy="Move the axis of channels with `permute`, not with `view` or `reshape`; read rows "
        "with the width that they have.",
        source="hubel",
        find=layout,
    ),
    Symptom(
        id="data/non-finite",
        meaning="Pictures have pixels that are NaN or infinite.",
        tier=0,
        statistic="pixels that are not finite",
        threshold="any",
        severity="error",
        remedy="Mend or leave out these pictures; see whether a division by a standard deviation "
        "of 0 made them.",
        source="hubel",
        find=non_finite,
    ),
    *picture_sets.SYMPTOMS,
)
