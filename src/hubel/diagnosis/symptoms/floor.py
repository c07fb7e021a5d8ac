"""The floor under every training: what a simple classifier reaches on the same pictures."""

from __future__ import annotations

import math
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold


def below_simple(case: Case) -> Reading:
    """Look for a training that ends at chance or far below a simple classifier, for any reason.

    Never an alarm by itself: the examination makes one of it where nothing else explains it.
    """
    harm = case.harm
    if not case.record.steps:
        return Unknown(why="nothing was trained yet")
    if not harm.known:
        return Unknown(why=f"whether the training suffers is {harm.evidence}")
    reached = harm.train_accuracy if math.isnan(harm.val_accuracy) else harm.val_accuracy
    error = harm.train_error if math.isnan(harm.val_accuracy) else harm.val_error
    behind = harm.reference - reached
    bar = max(
        threshold("fit/below-simple.behind"),
        threshold("fit/below-simple.errors") * math.hypot(error, harm.reference_error),
    )
    measured = {"reached": reached, "reference": harm.reference, "behind": behind}
    at_chance = reached < harm.chance + threshold("harm.chance-errors") * error
    if not harm.suffers or not (behind > bar or at_chance):
        return Well(evidence=harm.evidence, measured=measured)
    simple = (
        f"a linear map of coarse pixels {_said(case, harm.reference)} on the same pictures"
        if behind > bar
        else f"and the most frequent class alone {_said(case, harm.chance)}"
    )
    return Sign(
        what=f"The network reaches {_said(case, reached)}, {simple}.",
        evidence=harm.evidence,
        confidence=0.2,
        confirmed=False,
        measured=measured,
    )


def _said(case: Case, reached: float) -> str:
    return f"R² = {reached:.2f}" if case.setting.task == "regression" else f"{reached:.0%}"


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="fit/below-simple",
        meaning="The network ends at chance or below a simple classifier, and nothing else that "
        "was found explains it.",
        tier=1,
        statistic="accuracy in validation, or in training without one, beside that of a linear map "
        "of coarse pixels, held out",
        threshold=(
            f"{threshold('fit/below-simple.errors'):g} standard errors and "
            f"{threshold('fit/below-simple.behind'):g} below it, or not "
            f"{threshold('harm.chance-errors'):g} above chance; and the training suffers"
        ),
        severity="warning",
        remedy="Train a network and settings that are known to work on these pictures, as "
        "`hubel train` does, and bring the two together part by part.",
        source="hubel",
        find=below_simple,
    ),
)
