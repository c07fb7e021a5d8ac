"""How many labels are wrong, and which: what the other pictures say of each one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_features import projection
from hubel.diagnosis.trials.data_reading import (
    Labelled,
    network_features,
    predictions_of,
    together,
)
from hubel.diagnosis.trials.data_regression import regress
from hubel.diagnosis.trials.data_remembered import remembering
from hubel.diagnosis.trials.trial import Trial

LEAST: Final = 100
"""Training pictures below which nothing is said."""
_WHERE: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What the others say of each picture."""

    shares: NDArray[np.float64]
    labels: NDArray[np.int64]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Where the label is not what the others say."""
        return self.shares.argmax(1) != self.labels

    def quarter(self, number: int) -> NDArray[np.int64]:
        """Return the places of the surest quarter (0), the next (1), and so on."""
        order = np.argsort(-self.shares.max(1), kind="stable")
        size = len(order) // 4
        return order[number * size : (number + 1) * size]


def wilson(hits: float, number: int, z: float) -> tuple[float, float]:
    """Return the ends of Wilson's interval of a share (wilson1927)."""
    share = hits / number
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z * math.sqrt(share * (1 - share) / number + z * z / (4 * number**2))
    half /= 1 + z * z / number
    return middle - half, middle + half


def confidently_wrong(shares: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pictures confident learning counts off the diagonal (northcutt2021).

    t_j = mean of p_j over the pictures labelled j; a picture belongs to the class of the largest
    p_j among those with p_j ≥ t_j, and is suspect where that is not its label.
    """
    classes = shares.shape[1]
    own = [shares[labels == number, number] for number in range(classes)]
    thresholds = np.array([part.mean() if len(part) else np.inf for part in own])
    enough = shares >= thresholds
    named = np.where(enough, shares, -1.0).argmax(1)
    return enough.any(1) & (named != labels) & (shares.argmax(1) != labels)


def labels_are_right(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Estimate the share of wrong labels among the training pictures, and name the suspects.

    A wrong label strikes easy pictures as often as hard ones, while a classifier's own errors are
    among the hard ones: so the share is that of the disagreements in the surest quarter. It is
    believed only where validation or the network bears it out.
    """
    seen = remembering(subject)
    train, val = seen.labelled(setting, "train"), seen.labelled(setting, "val")
    if isinstance(train, Unknown):
        return train
    if len(train) < LEAST:
        return Unknown(why=f"fewer than {LEAST} training pictures are at hand")
    shown = val if isinstance(val, Labelled) else None
    others = np.zeros(0, np.int64) if shown is None else shown.labels
    names = np.unique(np.concatenate([train.labels, others]))
    _, (labels, theirs) = together(train.labels, others)
    if len(np.unique(labels)) < 2:
        return Unknown(why="the training pictures have a single label")
    regression = seen.regression(train, shown)
    simple = Judgement(regression.left_out, labels)
    surest = simple.quarter(0)
    share = float(simple.wrong[surest].mean())
    low, high = wilson(share * len(surest), len(surest), threshold("labels/noise.deviations"))
    second = float(simple.wrong[simple.quarter(1)].mean())
    noisy = low > threshold("labels/noise.share") and share < threshold("labels/noise.most")
    measured = {"share": share, "low": low, "high": high, "second": second, "borne_out": 0.0}
    words = (
        f"of the quarter of {len(train)} training pictures that others are surest of, {share:.1%} "
        f"carry another label ({low:.1%} to {high:.1%})"
    )
    if not noisy:
        return Trial(name="data-noise", healthy=True, evidence=words, measured=measured)
    support = None
    if shown is not None and len(shown) >= LEAST:
        outside = Judgement(regression(seen.features("val", train, shown)), theirs)
        support = _borne_out_by_validation(simple, outside)
    if support is None and second <= threshold("labels/noise.flat") * share + 0.03:
        support = _seconded(setting, subject, train, simple, names)
    measured["borne_out"] = float(support is not None)
    suspects = _suspects(subject, train, simple, share)
    measured["suspects"] = float(len(suspects))
    return Trial(
        name="data-noise",
        healthy=False,
        evidence=f"{words}; {support or 'neither validation nor the network bears it out'}",
        measured=measured,
        where=tuple(train.samples.keys[place] for place in suspects[:_WHERE]),
    )


def _suspects(
    subject: Subject, train: Labelled, simple: Judgement, share: float
) -> NDArray[np.int64]:
    """Return the places of the suspects, the worst first: at most the estimated number.

    The network's features have a voice where they err at least as often as labels are wrong: who
    errs less has learned the labels by heart.
    """
    shares = simple.shares
    features = network_features(subject.network(), train.inputs)
    if features is not None and float(features.std()) > 0:
        seen = regress(projection(features)(features), simple.labels, shares.shape[1]).left_out
        if float((seen.argmax(1) != simple.labels).mean()) >= 0.8 * share:
            shares = (shares + seen) / 2.0
    margin = shares.max(1) - shares[np.arange(len(shares)), simple.labels]
    order = np.argsort(-margin, kind="stable")
    chosen = order[confidently_wrong(shares, simple.labels)[order]]
    return chosen[: max(1, round(share * len(shares)))]


def _borne_out_by_validation(simple: Judgement, outside: Judgement) -> str | None:
    """Return how validation confirms it: the same classifier errs far less on its surest pictures.

    Then it is not the classifier that is wrong, but the training labels.
    """
    surest, quarter = simple.quarter(0), outside.quarter(0)
    share = float(simple.wrong[surest].mean())
    missed = float(outside.wrong[quarter].mean())
    pooled = (share * len(surest) + missed * len(quarter)) / (len(surest) + len(quarter))
    error = math.sqrt(pooled * (1 - pooled) * (1 / len(surest) + 1 / len(quarter)))
    if share - missed > threshold("labels/noise.deviations") * error:
        return f"of the surest of validation only {missed:.1%} do"
    return None


def _seconded(
    setting: Setting,
    subject: Subject,
    train: Labelled,
    simple: Judgement,
    names: NDArray[np.int64],
) -> str | None:
    """Return how the network confirms it: it says what the simple classifier says, not the label.

    A network that has learned the labels by heart says nothing. Asked for only where errors do not
    depend on how sure the simple classifier is; its own errors would.
    """
    surest = simple.quarter(0)
    wrong = surest[simple.wrong[surest]]
    said = names[simple.shares.argmax(1)[wrong]]
    network = predictions_of(setting, subject.network(), train.inputs[wrong.tolist()])
    same = float((network == said).mean())
    if same < threshold("labels/noise.seconded"):
        return None
    return f"the network says of {same:.0%} of them what the others say, not their labels"
