"""Normalisation layers: batch statistics against running ones, small batches."""

from __future__ import annotations

import math
from typing import Final

from hubel.diagnosis.case import Case
from hubel.diagnosis.symptom import Reading, Sign, Symptom, Unknown, Well
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.marks import share_error
from hubel.diagnosis.trials.trial import Trial

_NORMS: Final = ("batchnorm", "syncbatch", "batchrenorm")


def _layers(case: Case) -> tuple[str, ...]:
    return tuple(
        fact.path
        for fact in case.setting.modules
        if any(name in fact.kind.lower() for name in _NORMS)
    )


def _swapped(case: Case) -> Trial | Reading:
    """Return the swap of modes where something calls for it, or an answer without it."""
    if case.setting.modules and not _layers(case):
        return Well(evidence="no layer keeps running statistics")
    harm = case.harm
    gap = harm.train_accuracy - harm.val_accuracy
    error = math.hypot(harm.train_error, harm.val_error)
    suspicious = harm.suffers or gap > max(
        threshold("normalisation/train-eval.gap"), threshold("harm.chance-errors") * error
    )
    if not (suspicious or _drops_before(case)):
        if not harm.known:
            return Unknown(why=f"whether the training suffers is {harm.evidence}")
        return Well(evidence=f"the training does not suffer: {harm.evidence}")
    return case.trials.make("mode-swap")


def _drops_before(case: Case) -> bool:
    """Return whether dropout comes before a normalisation: running variances are then too large."""
    design = case.design
    if isinstance(design, Unknown):
        return False
    return any(finding.id == "check/dropout-before-bn" for finding in design.findings)


def _loss_of_accuracy(trial: Trial) -> tuple[float, bool]:
    """Return the accuracy that evaluation loses, and whether that is more than chance would."""
    measured = trial.measured
    trained, evaluated = measured["train_accuracy"], measured["eval_accuracy"]
    if math.isnan(trained):
        return math.nan, not trial.healthy and measured["eval_loss"] > measured["train_loss"]
    number = measured["number"]
    error = math.hypot(share_error(trained, number), share_error(evaluated, number))
    bar = max(
        threshold("normalisation/train-eval.accuracy"),
        threshold("normalisation/train-eval.errors") * error,
    )
    lost = trained - evaluated
    # The same pictures in both modes: far fewer lost ones are no chance where statistics are off.
    surely = bool(trial.where) and measured["p"] < threshold("normalisation/train-eval.p")
    return lost, lost > bar or (surely and lost > threshold("normalisation/train-eval.paired"))


def find_train_eval(case: Case) -> Reading:
    """The same pictures, dropout off, with the batches' statistics and with the running ones."""
    trial = _swapped(case)
    if not isinstance(trial, Trial):
        return trial
    lost, real = _loss_of_accuracy(trial)
    measured = {**trial.measured, "lost": lost}
    if not real and trial.healthy:
        return Well(evidence=trial.evidence, measured=measured)
    return Sign(
        what="The network is another one in evaluation mode: running statistics do not fit it.",
        evidence=trial.evidence,
        where=trial.where,
        confidence=0.95 if real else 0.4,
        confirmed=real,
        measured=measured,
    )


def find_drift(case: Case) -> Reading:
    """Running statistics far from those of the batches."""
    trial = _swapped(case)
    if not isinstance(trial, Trial):
        return trial
    far = {name[6:]: value for name, value in trial.measured.items() if name.startswith("drift:")}
    worst = max(far.values(), default=0.0)
    words = f"{worst:.2g} standard deviations at most, over {len(far)} layers"
    measured = {**trial.measured, "worst": worst}
    if not trial.where:
        return Well(evidence=words, measured=measured)
    _, real = _loss_of_accuracy(trial)
    return Sign(
        what=f"Running statistics of {len(trial.where)} normalisation layers are far from those of "
        "the batches.",
        evidence=f"{words}; {trial.evidence}",
        where=trial.where,
        confidence=0.9 if real else 0.4,
        confirmed=real,
        measured=measured,
        remedy=_momentum(case),
    )


def _momentum(case: Case) -> str:
    slow = [
        fact
        for fact in case.setting.modules
        if fact.path in _layers(case) and 0 < fact.details.get("momentum", 1.0) < 0.01
    ]
    if not slow:
        return ""
    given = slow[0].details["momentum"]
    return f"Set the momentum of the normalisation layers to .1, or .01 at least (it is {given:g})."


def find_small_batch(case: Case) -> Reading:
    """Batches so small that their statistics are noise."""
    batch = case.setting.batch
    if batch is None:
        return Unknown(why="the size of the batches is not known")
    if case.setting.modules and not _layers(case):
        return Well(evidence="no layer normalises over the batch")
    if batch > threshold("normalisation/small-batch.batch"):
        return Well(evidence=f"{batch} pictures a batch", measured={"batch": batch})
    if not case.harm.known:
        return Unknown(why=f"whether the training suffers is {case.harm.evidence}")
    if not case.harm.suffers:
        return Well(evidence=f"{batch} pictures a batch, but {case.harm.evidence}")
    trial = case.trials.make("wide-statistics")
    words = trial.evidence if isinstance(trial, Trial) else trial.why
    shown = isinstance(trial, Trial) and not trial.healthy
    tiny = batch <= threshold("normalisation/small-batch.tiny")
    measured = {"batch": float(batch)} | (dict(trial.measured) if isinstance(trial, Trial) else {})
    return Sign(
        what=f"Batches of {batch} are too small for normalisation over the batch.",
        evidence=f"{words}; {case.harm.evidence}",
        where=_layers(case),
        confidence=0.9 if shown else 0.5 if tiny else 0.3,
        confirmed=shown or tiny,
        measured=measured,
    )


SYMPTOMS: Final[tuple[Symptom, ...]] = (
    Symptom(
        id="normalisation/train-eval",
        meaning="The network gives other answers in evaluation mode than in training mode.",
        tier=2,
        statistic="accuracy and loss of the same training pictures in both modes, dropout off",
        threshold="5 points and 3 standard errors of accuracy lost, or 3 points at p < .001 of the "
        "sign test where statistics drifted; without labels a relative difference of the loss "
        "over .5",
        severity="error",
        remedy="Let the running statistics follow (momentum .1), measure them anew over the "
        "training pictures, or use group normalisation.",
        source="ioffe2015batch",
        find=find_train_eval,
    ),
    Symptom(
        id="normalisation/drift",
        meaning="Running statistics of normalisation layers are far from those of the batches.",
        tier=2,
        statistic="per layer: distance of the means in standard deviations, or log ratio of the "
        "standard deviations, as root mean square over the channels",
        threshold="over .5, where evaluation loses accuracy to it",
        severity="error",
        remedy="Set the momentum of the normalisation layers to .1, and look whether the pictures "
        "of training and of evaluation are normalised alike.",
        source="ioffe2015batch",
        find=find_drift,
    ),
    Symptom(
        id="normalisation/small-batch",
        meaning="Batches are too small for normalisation over the batch.",
        tier=2,
        statistic="accuracy on training pictures after 240 updates, statistics of the batch alone "
        "against those of 32 pictures",
        threshold="where the training suffers: at most 2 pictures a batch, or at most 4 and 10 "
        "points and 3 standard errors lost to it",
        severity="warning",
        remedy="Use batches of 16 pictures or more, or group normalisation.",
        source="ioffe2015batch",
        find=find_small_batch,
    ),
)
