"""Fitting: too little, too much, not at all."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.questions import updates_a_pass
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.symptoms.fit_overfitting import find_overfitting
from hubel.diagnosis.symptoms.fit_regularised import find_over_regularised
from hubel.diagnosis.symptoms.suffering import quiet_about
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.marks import share_error
from hubel.diagnosis.trials.trial import Trial


class Share(NamedTuple):
    """An accuracy with its standard error."""

    value: float
    error: float


def find_cannot_fit(case: Case) -> Reading:
    """Sixteen pictures, trained on alone."""
    quiet = quiet_about(case)
    if quiet is not None:
        return quiet
    trial = case.trials.make("one-batch")
    if isinstance(trial, Unknown):
        return trial
    bar = threshold("fit/cannot-fit-batch.error")
    sane, own = trial.measured["error_sane"], trial.measured["error_own"]
    if min(sane, own) > bar:
        return Sign(
            what=f"The network cannot learn even 16 pictures by heart: {sane:.0%} stay wrong.",
            evidence=trial.evidence,
            confidence=0.95,
            confirmed=True,
            measured=trial.measured,
        )
    if own > bar and case.record.steps:
        return Sign(
            what="The network can learn 16 pictures by heart, but not with the training's own "
            f"optimizer: {own:.0%} stay wrong.",
            evidence=f"{trial.evidence}; {case.harm.evidence}",
            confidence=0.6,
            confirmed=own > threshold("fit/cannot-fit-batch.own"),
            measured=trial.measured,
            remedy="Look at the learning rate, weight decay and the other numbers of the "
            f"optimizer: Adam at {trial.measured['sane_lr']:g} does fit them.",
        )
    return Well(evidence=trial.evidence, measured=trial.measured)


def find_ignores_input(case: Case) -> Reading:
    """Trained on zeros, the loss is the same."""
    quiet = quiet_about(case)
    if quiet is not None:
        return quiet
    best = max(case.harm.train_accuracy, case.harm.val_accuracy)
    if best > case.harm.chance + threshold("fit/ignores-input.above"):
        return Well(evidence=f"accuracy {best:.1%}, chance {case.harm.chance:.1%}")
    trial = case.trials.make("zeroed-input")
    if isinstance(trial, Unknown):
        return trial
    if not trial.healthy:
        return Sign(
            what="The network ignores its input: it learns as much from zeros as from pictures.",
            evidence=trial.evidence,
            confidence=0.95,
            confirmed=True,
            measured=trial.measured,
        )
    spread = trial.measured["spread"]
    if case.record.steps and spread < threshold("fit/ignores-input.spread"):
        return Sign(
            what="The network as trained answers the same for every picture.",
            evidence=f"outputs differ between pictures by {spread:.1g} of their size; "
            f"{case.harm.evidence}; fresh weights do use the input: {trial.evidence}",
            confidence=0.5,
            confirmed=True,
            measured=trial.measured,
            remedy="Something in the training has killed or flattened the network: look at the "
            "learning rate, weight decay and dead units.",
        )
    return Well(evidence=trial.evidence, measured=trial.measured)


def _trained(case: Case) -> Share | None:
    """Return the better accuracy on training pictures: in evaluation mode, or as trained.

    Dropout and augmentation lower the one, a broken evaluation mode the other.
    """
    known = [Share(case.harm.train_accuracy, case.harm.train_error)]
    held = case.trials.make("held-out")
    if isinstance(held, Trial):
        known.append(Share(held.measured["train_accuracy"], held.measured["train_error"]))
    rows = [row for row in case.record.evaluations if (row.split, row.mode) == ("train", "eval")]
    if rows:
        known.append(Share(rows[-1].accuracy, share_error(rows[-1].accuracy, rows[-1].pictures)))
    return max((one for one in known if not math.isnan(one.value)), default=None)


def _fits_better(case: Case) -> tuple[Share, float] | Reading:
    """Return the accuracy of training and the floor that it stays below, or why there is none."""
    quiet = quiet_about(case)
    if quiet is not None:
        return quiet
    if not case.record.steps:
        return Unknown(why="nothing was trained yet")
    trained, harm = _trained(case), case.harm
    if trained is None:
        return Unknown(why="the accuracy on training pictures is not known")
    if math.isnan(harm.reference):
        return Unknown(why="there is no simple classifier to compare with")
    bar = threshold("harm.clear-errors") * math.hypot(trained.error, harm.reference_error)
    if trained.value + bar >= harm.reference:
        return Well(
            evidence=f"training {trained.value:.1%}, a simple classifier {harm.reference:.1%}"
        )
    return trained, harm.reference


def _blamed(case: Case) -> list[str]:
    """Return the first test that finds something to blame; the cheap ones are made first."""
    for name in ("one-batch", "mode-swap", "regularisation-off", "rate-range"):
        trial = case.trials.make(name)
        if isinstance(trial, Trial) and not trial.healthy:
            return [name]
    return []


def find_underfitting(case: Case) -> Reading:
    """Below a linear map of the pixels on its own training pictures, and nothing else to blame."""
    found = _fits_better(case)
    if not isinstance(found, tuple):
        return found
    trained, reference = found
    gap = trained.value - case.harm.val_accuracy
    bar = max(threshold("fit/underfitting.gap"), 2 * math.hypot(trained.error, case.harm.val_error))
    measured = {"train": trained.value, "reference": reference, "gap": gap}
    words = f"training {trained.value:.1%}, a simple classifier {reference:.1%}, gap {gap:.1%}"
    if gap > bar:
        return Well(evidence=f"{words}: what is lacking is not the fit", measured=measured)
    blamed = _blamed(case)
    short = find_too_short(case)
    if isinstance(short, Sign) and short.confirmed:
        blamed.append("its length")
    if case.setting.planned_steps is None and _goes_on(case):
        blamed.append("its length, which is not known")
    return Sign(
        what=f"The network fits its own training pictures worse ({trained.value:.0%}) than a "
        f"linear map of coarse pixels does ({reference:.0%}).",
        evidence=words + ("; but to blame may be: " + ", ".join(blamed) if blamed else ""),
        confidence=0.3 if blamed else 0.6,
        confirmed=not blamed,
        measured=measured,
    )


def _goes_on(case: Case) -> bool:
    """Return whether the loss still falls clearly, from the middle third to the last."""
    losses = [row.loss for row in case.record.steps if math.isfinite(row.loss)]
    third = len(losses) // 3
    if third < 5:
        return True
    fall, error = _fall(losses[-2 * third : -third], losses[-third:])
    return fall > max(threshold("fit/too-short.fall"), 2 * error)


def find_too_short(case: Case) -> Reading:
    """The loss still falls steeply in the last third, and the learning rate is not near zero."""
    steps = case.record.steps
    planned = case.setting.planned_steps
    if planned and len(steps) < 0.95 * planned:
        return Unknown(why="the training is not at its end")
    if len(steps) < threshold("harm.updates"):
        return _few_updates(case)
    little = _saw_little(case)
    part = steps if little else steps[-len(steps) // 3 :]
    losses = [row.loss for row in part if math.isfinite(row.loss)]
    if len(losses) < 10:
        return Unknown(why="the last losses are no finite numbers")
    early, late = losses[: len(losses) // 2], losses[len(losses) // 2 :]
    fall, error = _fall(early, late)
    rate = steps[-1].lr / max(*(row.lr for row in steps), 1e-300)
    measured = {"fall": fall, "errors": fall / max(error, 1e-12), "rate": rate}
    words = (
        f"the loss falls by {fall:.1%} ± {error:.1%} "
        f"{'from the first half to the second' if little else 'within the last third'}; learning "
        f"rate at {rate:.0%} of its largest"
    )
    steep = little or fall > threshold("fit/too-short.fall")
    if not (steep and measured["errors"] > threshold("fit/too-short.errors")):
        return Well(evidence=words, measured=measured)
    if rate < threshold("fit/too-short.rate") and not little:
        return Well(evidence=words, measured=measured)
    below = case.harm.suffers if little else isinstance(_fits_better(case), tuple)
    if not below:
        return Well(evidence=f"{words}; {case.harm.evidence}", measured=measured)
    trial = case.trials.make("rate-range")
    slow = isinstance(trial, Trial) and not trial.healthy
    return Sign(
        what="The training ended too early: each picture was seen twice at most."
        if little
        else f"The training ended too early: its loss still fell by {fall:.0%} in the last third.",
        evidence=f"{words}; {case.harm.evidence}"
        + (f"; but {trial.evidence}" if isinstance(trial, Trial) and slow else ""),
        confidence=0.4 if slow else 0.8,
        confirmed=not slow,
        measured=measured,
    )


def _few_updates(case: Case) -> Reading:
    """Judge a training whose updates are too few for a course of the loss."""
    steps, harm = case.record.steps, case.harm
    number = len(steps)
    words = f"{number} updates, of {case.setting.batch or 'an unknown number of'} pictures each"
    if not harm.known or case.setting.planned_steps is None:
        return Unknown(why=f"{number} updates are too few for a course of the loss")
    if not harm.suffers:
        return Well(evidence=f"{words}; {harm.evidence}")
    if not steps or not steps[-1].loss <= threshold("fit/too-short.rise") * abs(steps[0].loss):
        return Unknown(why="the loss does not come down, which more updates alone do not mend")
    return Sign(
        what=f"The training ended after {number} updates, which are too few to learn from.",
        evidence=f"{words}; {harm.evidence}",
        confidence=0.9,
        confirmed=True,
        measured={"updates": number},
    )


def _saw_little(case: Case) -> bool:
    """Return whether each picture was seen twice at most."""
    a_pass = updates_a_pass(case.setting, case.record)
    return len(case.record.steps) <= threshold("fit/too-short.passes") * a_pass


def _fall(early: list[float], late: list[float]) -> tuple[float, float]:
    """Return the fall between two halves as a share of the first, and its standard error."""
    means = [sum(half) / len(half) for half in (early, late)]
    spreads = [
        sum((one - mean) ** 2 for one in half) / max(len(half) - 1, 1) / len(half)
        for half, mean in zip((early, late), means, strict=True)
    ]
    size = max(abs(means[0]), 1e-12)
    return (means[0] - means[1]) / size, math.sqrt(sum(spreads)) / size


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="fit/cannot-fit-batch",
        meaning="The network cannot learn sixteen pictures by heart.",
        tier=2,
        statistic="share of wrong answers on 16 pictures, balanced over classes, after up to 300 "
        "updates on them alone",
        threshold="over 5% with Adam at 1e-3, 1e-4 and 1e-2 and with the training's own optimizer; "
        "over 25% with its own where the training suffers",
        severity="error",
        remedy="Look at what stands between the last layer and the loss, at the kind of the loss, "
        "and at layers without activation or gradient.",
        source="braiek2022testing",
        find=find_cannot_fit,
    ),
    Symptom(
        id="fit/ignores-input",
        meaning="What the network answers does not depend on the picture.",
        tier=2,
        statistic="p of Mann-Whitney's U between the last losses on pictures and on zeros; spread "
        "of the outputs over pictures",
        threshold="p > .05, or a spread below a thousandth where the training suffers",
        severity="error",
        remedy="Follow the input through the forward method: it is overwritten, detached, or "
        "flattened to a constant on the way.",
        source="braiek2022testing",
        find=find_ignores_input,
    ),
    Symptom(
        id="fit/underfitting",
        meaning="The network fits its own training pictures less than a simple classifier does.",
        tier=2,
        statistic="accuracy on training pictures in evaluation mode against a linear map of coarse "
        "pixels, held out",
        threshold=f"{threshold('harm.clear-errors'):g} standard errors below, gap to validation "
        "under 10 points, and the tests of one batch, of the learning rate and of modes healthy",
        severity="warning",
        remedy="Use a wider or deeper network, train longer, or regularise less.",
        source="hubel",
        find=find_underfitting,
    ),
    Symptom(
        id="fit/overfitting",
        meaning="The network learns its training pictures by heart at the cost of new ones.",
        tier=1,
        statistic="validation loss over its minimum in standard errors, while the loss of training "
        "falls; gap between the accuracies",
        threshold="3 evaluations in a row over 2 standard errors and 20% above the minimum, and "
        "accuracy lost since, or a gap of over 25 points",
        severity="warning",
        remedy="Add pictures or augmentation, regularise more, use a smaller network, or keep the "
        "weights of the best evaluation.",
        source="hubel",
        find=find_overfitting,
    ),
    Symptom(
        id="fit/over-regularised",
        meaning="Regularisation is so strong that even the training pictures are not learned.",
        tier=2,
        statistic="accuracy on training pictures after 160 updates with dropout and weight decay, "
        "and without",
        threshold=f"{100 * threshold('fit/over-regularised.gain'):g} points and 3 standard errors "
        "more without, where the training suffers or weight decay outweighs the gradients; or a "
        "loss over 95% of ln C and accuracy 30 points above chance",
        severity="error",
        remedy="Lower weight decay (usual: 5e-4 for SGD, .05 for AdamW) and "
        "dropout (to .5 at most).",
        source="srivastava2014dropout",
        find=find_over_regularised,
    ),
    Symptom(
        id="fit/too-short",
        meaning="The training ended while it still learned fast.",
        tier=1,
        statistic="fall of the loss between the halves of the last third of the updates, or of all "
        "where there were two passes at most",
        threshold=f"over {threshold('fit/too-short.fall'):.0%} and "
        f"{threshold('fit/too-short.errors'):g} standard errors, and the training suffers; after "
        f"more than {threshold('fit/too-short.passes'):g} passes only with the learning rate over "
        f"{threshold('fit/too-short.rate'):.0%} of its largest; or it suffers and ended before "
        f"update {threshold('harm.updates'):g}, with a last loss of at most "
        f"{threshold('fit/too-short.rise'):g} times the first",
        severity="warning",
        remedy="Train for more passes over the data.",
        source="hubel",
        find=find_too_short,
    ),
)
